"""Writes orders with InfluxDB's own client, as a shop would that has always done so, and looks at what it is told.

    influx_writer.py URL TOKEN

Prints one JSON object: how many events were written and what the client made of refusals.
"""

import json
import sys
import time

from influxdb_client import InfluxDBClient, Point, WriteOptions, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

PRECISIONS = {WritePrecision.S: 1, WritePrecision.MS: 10**3, WritePrecision.US: 10**6, WritePrecision.NS: 10**9}


def order(number: int, at: int, precision: str) -> Point:
    point = Point("orders").tag("marketplace", ["US", "DE", "UK"][number % 3]).tag("status", "placed")
    return point.field("amount", 1.25).field("customer", f"c-{number}").time(at, precision)


def refused(write) -> dict:
    try:
        write()
    except ApiException as error:
        return {"status": error.status, "body": json.loads(error.body)}
    return {"status": 204}


def main() -> None:
    url, token = sys.argv[1:]
    now = time.time()
    written = 0
    told = {}
    with InfluxDBClient(url=url, token=token, org="shop", enable_gzip=True) as client:
        told["ping"] = client.ping()
        told["version"] = client.version()
        writer = client.write_api(write_options=SYNCHRONOUS)
        for precision, units in PRECISIONS.items():
            points = [order(number, int(now * units), precision) for number in range(250)]
            writer.write(bucket="orders", record=points, write_precision=precision)
            written += len(points)
        # Batches from a thread of the client's own, flushed at the end.
        with client.write_api(write_options=WriteOptions(batch_size=100, flush_interval=200)) as batches:
            for number in range(730):
                batches.write(bucket="orders", record=order(number, int(now * 1000), WritePrecision.MS))
                written += 1
        stamp = int(now)
        lines = f"orders,status=placed amount=1 {stamp}\ncpu,host=a load=1 {stamp}\norders,status=placed amount=2 x\n"
        told["partial"] = refused(lambda: writer.write(bucket="orders", record=lines, write_precision="s"))
        written += 1
    with InfluxDBClient(url=url, token="another", org="shop") as client:
        writer = client.write_api(write_options=SYNCHRONOUS)
        told["stranger"] = refused(lambda: writer.write(bucket="orders", record="orders amount=1"))
    print(json.dumps({"written": written, **told}))


if __name__ == "__main__":
    main()
