#!/bin/sh
# Builds the fuzz targets on stable Rust, without a sanitizer and without cargo-fuzz, and runs them
# two at a time, each for the given seconds (60 if left out), seeded with tests/corpus. Nothing is
# written to the repository. Exit 1 on a finding, with the input that shows it.
#   tests/fuzz/run.sh [seconds] [target...]
#   tests/fuzz/run.sh build                   builds all of them and runs none
# How often each ran is noted in target/reliability, for docs/reliability.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- ndjson influx statsd lines step greeting segment config control state tables

# Some need all of the daemon.
features=
case " $* " in *" segment "*|*" config "*|*" control "*|*" state "*|*" tables "*) features="--features daemon" ;; esac

# Coverage instrumentation for everything, as libFuzzer wants it. An explicit --target keeps it away
# from build scripts.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing" \
  cargo build --quiet --locked --release --target "$host" --manifest-path "$here/Cargo.toml" \
  --target-dir "$root/target/fuzz" --bins $features
[ "$seconds" != build ] || exit 0
bin="$root/target/fuzz/$host/release"

work=$(mktemp -d "${TMPDIR:-/tmp}/ebbd-fuzz.XXXXXX")
one() { # runs target $1; its log and findings stay under $work/$1
  mkdir -p "$work/$1/seeds" "$work/$1/found"
  for format in "$1" $([ "$1" = lines ] && echo ndjson influx statsd) $([ "$1" = step ] && echo ndjson); do
    for seed in "$root/tests/corpus/$format"/*/*.in; do
      [ -f "$seed" ] || continue
      cp "$seed" "$work/$1/seeds/$format-$(basename "$(dirname "$seed")")-$(basename "$seed")"
      # Each line is a seed of its own too: small inputs mutate best.
      [ "$1" = lines ] || split -l 1 -a 4 "$seed" "$work/$1/seeds/$format-$(basename "$seed" .in)-"
    done
  done
  for seed in "$here/seeds/$1"/*; do
    [ -f "$seed" ] && cp "$seed" "$work/$1/seeds/" || continue
  done
  "$bin/$1" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
    -artifact_prefix="$work/$1/found/" "$work/$1/seeds" >"$work/$1/log" 2>&1
}

failed=0
report() { # $1 target, $2 its exit status
  line=$(grep -a 'INITED' "$work/$1/log" | tail -1 || true)
  done_line=$(grep -a 'DONE' "$work/$1/log" | tail -1 || true)
  echo "$1: ${line:-no coverage} | ${done_line:-stopped early}"
  case "$line" in *cov:*) ;; *) echo "$1: ran without coverage feedback"; failed=1 ;; esac
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/$1/log")
  if [ "$2" -eq 0 ]; then
    mkdir -p "$root/target/reliability"
    printf '{"what":"fuzz","part":"%s","figure":"%s inputs in %s s"}' "$1" "${runs:-0}" "$seconds" \
      >"$root/target/reliability/fuzz-$1.json"
    return
  fi
  failed=1
  echo "$1: FOUND SOMETHING"
  grep -a -A 2 -E 'panicked at|ERROR: libFuzzer' "$work/$1/log" || true
  for input in "$work/$1/found"/*; do [ -f "$input" ] && echo "$input:" && od -c "$input" | head -20; done
}

while [ $# -gt 0 ]; do
  first=$1 second=${2:-} status=0 other=0
  one "$first" & pid=$!
  if [ -n "$second" ]; then one "$second" || other=$?; fi
  wait "$pid" || status=$?
  report "$first" "$status"
  shift
  if [ -n "$second" ]; then report "$second" "$other"; shift; fi
done
if [ "$failed" -eq 0 ]; then rm -rf "$work"; fi
exit "$failed"
