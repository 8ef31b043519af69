#!/bin/bash
# Writes docs/performance.md from what is kept in bench/results.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --release -p ebbd-bench
exec "${CARGO_TARGET_DIR:-target}/release/ebbd-bench" report "$@"
