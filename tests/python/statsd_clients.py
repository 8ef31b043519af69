"""Sends orders by StatsD clients as they are: statsd_clients.py UDP_PORT DATAGRAM_SOCKET STREAM_SOCKET"""

import sys

import statsd
from datadog.dogstatsd.base import DogStatsd

TAGS = ["marketplace:US", "feature:one-click", "status:placed"]


def plain(client, orders):
    for _ in range(orders):
        client.incr("orders")
    client.incr("orders", 5)


def dog(client, orders):
    for _ in range(orders):
        client.increment("orders", tags=TAGS)
    client.increment("orders", 5, tags=TAGS)
    client.event("deploy", "checkout v42", tags=["kind:deploy"])
    client.flush()


def main(port, datagrams, stream):
    plain(statsd.StatsClient("127.0.0.1", port), 100)
    with statsd.StatsClient("127.0.0.1", port).pipeline() as together:
        plain(together, 100)
    by_stream = statsd.UnixSocketStatsClient(stream)
    plain(by_stream, 100)
    by_stream.close()
    dog(DogStatsd(host="127.0.0.1", port=port, disable_telemetry=True, disable_buffering=True), 100)
    dog(DogStatsd(socket_path=datagrams, disable_telemetry=True, disable_buffering=False), 100)


main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
