#!/bin/sh
# Explores the loom models of core::sync (every interleaving up to three preemptions).
# Loom needs its own build of the world, so it gets its own target directory.
set -eu
cd "$(dirname "$0")/.."
export RUSTFLAGS="--cfg loom ${RUSTFLAGS:-}"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
exec cargo test --release --config 'profile.release.lto=false' --config 'profile.release.panic="unwind"' \
    -p ebbd-core --no-default-features --lib sync::loom_tests -- --nocapture "$@"
