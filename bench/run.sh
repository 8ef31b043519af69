#!/bin/bash
# Measures every subject of docs/performance.md on this machine, keeps the results and writes the page.
#
#   bench/run.sh            about ten minutes
#   bench/run.sh --quick    about three: prints, keeps nothing
#   bench/run.sh --only "streams files"
#
# Who is compared with comes from bench/peers/setup.sh; what is missing there is left out and said. Instructions
# need valgrind, the profile perf.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

quick=
only="streams datagrams files crooked series memory idle lanes fresh instructions profile"
while [ $# -gt 0 ]; do
    case $1 in
        --quick) quick=--quick ;;
        --only) only=$2 && shift ;;
        *) sed -n '2,/^set /p' "$0" | sed 's/^# \{0,1\}//;/^set /d'; exit 2 ;;
    esac
    shift
done

cargo build --release -p ebbd -p ebbd-bench
bench=${CARGO_TARGET_DIR:-target}/release/ebbd-bench
failed=
for subject in $only; do
    # One subject that fails must not cost the others.
    "$bench" measure $quick "$subject" || failed="$failed $subject"
done
[ -n "$quick" ] || "$bench" report
[ -z "$failed" ] || { echo "run: failed:$failed" >&2; exit 1; }
