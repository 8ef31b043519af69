#!/usr/bin/env bash
# The test command: installs what the tests need, then checks everything that has to hold before a
# change lands. About an hour on two cores from nothing, minutes when the build is warm.
#
#   tests/run.sh                 everything
#   FUZZ_SECONDS=5 tests/run.sh  shorter fuzzing (default 60 s a target)
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
export RUST_BACKTRACE=${RUST_BACKTRACE:-1}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

step() {
  printf '\n== %s (%s)\n' "$*" "$(date -u +%H:%M:%S)"
}

step "what the tests need (in the background)"
tests/setup.sh >"$log" 2>&1 &
setup=$!

step "format"
cargo fmt --all --check

step "clippy"
cargo clippy --profile ci --workspace --all-targets -- -D warnings

step "build"
cargo test --profile ci --workspace --no-run

step "set-up finished?"
wait "$setup" || { cat "$log"; echo "tests/setup.sh failed: see above"; exit 1; }
tail -n 3 "$log"

# The tests mostly wait for minutes to pass: what is fuzzed later is built meanwhile.
step "tests (and in the background, what is fuzzed)"
nice -n 19 tests/fuzz/run.sh build >"$log" 2>&1 &
fuzzed=$!
cargo test --profile ci --workspace

step "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --profile ci --workspace --no-deps

step "loom: the concurrency of our own, every interleaving"
tests/loom.sh

wait "$fuzzed" || { cat "$log"; echo "the fuzz targets can't be built: see above"; exit 1; }
step "fuzz: whatever parses, ${FUZZ_SECONDS:-60} s a target"
tests/fuzz/run.sh "${FUZZ_SECONDS:-60}"

step "docs/reliability.md: what the tests of reliability came to"
.venv/bin/python tests/python/reliability.py

step "all passed"
