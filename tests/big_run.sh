#!/usr/bin/env bash
# Millions of events over each transport in each format through the release build; DuckDB recounts the
# raw lines. Writes the table docs/measured/big_run.md. Not part of CI.
#
#   tests/big_run.sh                                     5 million each, everything
#   tests/big_run.sh --events 1000000 --only unix/ndjson --out /tmp/table.md
#
# Seconds are from the first byte sent until the daemon has received the last line. UDP is sent at
# 100,000 lines a second (--udp-rate), which the kernel has to take without a drop.
set -euo pipefail
cd "$(dirname "$0")/.."

events=5000000
only=""
out=docs/measured/big_run.md
udp_rate=100000
while [ $# -gt 0 ]; do
    case $1 in
        --events) events=$2 ;;
        --only) only=$2 ;;
        --out) out=$2 ;;
        --udp-rate) udp_rate=$2 ;;
        *) sed -n '2,/^set /p' "$0" | sed 's/^# \{0,1\}//;/^set /d'; exit 2 ;;
    esac
    shift 2
done

cargo build --release -p ebbd -p ebbd-bench
bin=${CARGO_TARGET_DIR:-target}/release
work=$(mktemp -d "${TMPDIR:-/tmp}/ebbd-big.XXXXXX")
daemon=""
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null || true; rm -rf "$work"' EXIT
http=127.0.0.1:27790
port=127.0.0.1:27791

# say WORDS: progress
say() { echo "big_run: $*" >&2; }

# load FORMAT TO [RATE]: the same events every time
load() {
    "$bin/ebbd-bench" load --events "$events" --format "$1" --to "$2" --rate "${3:-0}" --seed 5 \
        --minutes 30 --from "$from" --late 0.01
}

# configure TRANSPORT FORMAT
configure() {
    local place="listen = \"$dir/in\""
    case $1 in
        tcp | udp) place="listen = \"$port\"" ;;
        file) place="path = \"$dir/in.log\"" ;;
        stdin) place="" ;;
    esac
    cat >"$dir/ebbd.toml" <<EOF
data_dir = "$dir/data"
http = "$http"
[stream.orders]
dimensions = ["marketplace", "feature", "payment", "status"]
sums = { amount = { field = "amount", scale = 2, currency = "currency" } }
distinct = ["customer"]
origin = "host"
watched = { status = ["placed"] }
[source.load]
type = "$1"
format = "$2"
$place
EOF
}

# lines: how many the daemon has received
lines() {
    .venv/bin/python - "$http" <<'EOF'
import json, sys, urllib.request
report = json.load(urllib.request.urlopen(f"http://{sys.argv[1]}/api/v1/status"))
print(sum(source["lines"] for source in report["sources"]))
EOF
}

# await_lines: until all are there; a loss ends in a time-out
await_lines() {
    for _ in $(seq 1200); do
        [ "$(lines)" -ge "$events" ] && return 0
        kill -0 "$daemon" 2>/dev/null || return 0
        sleep 0.05
    done
    say "only $(lines) of $events lines have come"
    return 1
}

# start: the daemon, with standard input from a pipe that this script holds open as 3
start() {
    mkfifo "$dir/stdin"
    "$bin/ebbd" run -c "$dir/ebbd.toml" <"$dir/stdin" 2>"$dir/told" &
    daemon=$!
    exec 3>"$dir/stdin"
    for _ in $(seq 200); do
        curl -fs "http://$http/readyz" >/dev/null 2>&1 && return 0
        kill -0 "$daemon" 2>/dev/null || break
        sleep 0.1
    done
    cat "$dir/told" >&2
    return 1
}

# transmit TRANSPORT: what was generated beforehand, so that generating costs no time here
transmit() {
    case $1 in
        unix) nc -N -U "$dir/in" <"$work/$2" ;;
        tcp) nc -N "${port%:*}" "${port#*:}" <"$work/$2" ;;
        file) cp "$work/$2" "$dir/in.log" ;;
        stdin) cat "$work/$2" >&3 ;;
        unix_datagram) load "$2" "unixgram:$dir/in" ;;
        udp) load "$2" "udp:$port" "$udp_rate" ;;
    esac
}

# measure TRANSPORT FORMAT: one row of the table
measure() {
    dir="$work/$1-$2"
    mkdir "$dir"
    configure "$1" "$2"
    start
    local begun ended cpu peak
    begun=$(date +%s.%N)
    transmit "$1" "$2"
    await_lines
    ended=$(date +%s.%N)
    cpu=$(awk -v tick="$(getconf CLK_TCK)" '{print ($14 + $15) / tick}' "/proc/$daemon/stat" 2>/dev/null || echo 0)
    peak=$(awk '/VmHWM/ {printf "%.0f", $2 / 1024}' "/proc/$daemon/status" 2>/dev/null || echo 0)
    exec 3>&-
    kill -TERM "$daemon" 2>/dev/null || true
    wait "$daemon"
    daemon=""
    verify "$1" "$2" "$begun" "$ended" "$cpu" "$peak"
    rm -rf "$dir"
}

# verify TRANSPORT FORMAT BEGUN ENDED CPU PEAK: against the recount and the ledger
verify() {
    local money=(--sum amount:2:currency --distinct customer) told ledger
    [ "$2" = statsd ] && money=()
    told=$(.venv/bin/python tests/python/recount.py --dimension marketplace --dimension feature \
        --dimension payment --dimension status "${money[@]}" --data-dir "$dir/data" "$work/ndjson")
    ledger=$(.venv/bin/python tests/python/sql.py "select sum(received)::bigint as received,
        sum(counted)::bigint as counted, sum(kernel_datagrams)::bigint as dropped
        from read_parquet('$dir/data/ledger/**/*.parquet')")
    say "$1/$2: $told $ledger"
    .venv/bin/python - "$1" "$2" "$3" "$4" "$5" "$6" "$told" "$ledger" "$events" >>"$work/rows" <<'EOF'
import json, sys
transport, format, begun, ended, cpu, peak, told, ledger, events = sys.argv[1:]
told, ledger, seconds = json.loads(told), json.loads(ledger), float(ended) - float(begun)
assert told["written"] == ledger["received"] == ledger["counted"] == int(events), (told, ledger)
assert told["differences"] == ledger["dropped"] == 0, (told, ledger)
rate = int(events) / seconds
print(f"| {transport} | {format} | {ledger['received']:,} | {told['written']:,} | {told['differences']} of {told['rows']:,} "
      f"| {seconds:.1f} | {rate:,.0f} | {float(cpu):.1f} | {peak} |")
EOF
}

from=$(($(date +%s) / 60 - 31))
wanted() { [ -z "$only" ] || case " ${only//,/ } " in *" $1 "*) ;; *) return 1 ;; esac; }
: >"$work/rows"
for format in ndjson influx statsd; do
    for transport in unix tcp udp unix_datagram file stdin; do
        wanted "$transport/$format" || continue
        for text in ndjson "$format"; do
            [ -e "$work/$text" ] || load "$text" "file:$work/$text"
        done
        measure "$transport" "$format"
    done
    [ "$format" = ndjson ] || rm -f "$work/$format"
done

mkdir -p "$(dirname "$out")"
cat >"$out" <<EOF
# Counted against a recount, $(date -u +%F)

\`tests/big_run.sh --events $events${only:+ --only $only}\` on $(nproc) cores
($(awk -F': ' '/model name/ {print $2; exit}' /proc/cpuinfo)), $(uname -sr), commit
$(git rev-parse --short HEAD), release build. Generator and daemon share the machine.

Every row: generated orders of half an hour, a hundredth of them late and a hundredth out of order, sent to a
fresh daemon, stopped by SIGTERM. DuckDB recounts the raw lines: per minute × dimensions × currency the count
and the amount to the cent have to be equal, customers within 6.5 % (StatsD carries neither amounts nor
customers). Seconds are from the first byte sent until the last line has been received; UDP and UNIX datagrams
are generated while they are sent, UDP at $udp_rate lines a second.

| transport | format | received | in the Parquet | rows that differ | seconds | lines/s | CPU seconds | peak MiB |
|---|---|---:|---:|---:|---:|---:|---:|---:|
$(cat "$work/rows")
EOF
say "wrote $out"
