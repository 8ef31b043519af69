#!/usr/bin/env bash
# Makes the Debian package from a release build: target/debian/ebbd_VERSION_ARCH.deb. Needs cargo-deb
# (cargo install cargo-deb).
#
#   systemd/package.sh                      builds the release first
#   systemd/package.sh target/ci/ebbd       packs this binary instead
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -gt 0 ]; then
    binary=$1
else
    cargo build --release --locked -p ebbd
    binary=target/release/ebbd
fi
made=target/package
rm -rf "$made"
mkdir -p "$made/man" "$made/completions"
cp "$binary" "$made/ebbd"
strip "$made/ebbd"
"$binary" man --out "$made/man"
gzip -9n "$made"/man/*.1
"$binary" completions bash >"$made/completions/ebbd"
"$binary" completions zsh >"$made/completions/_ebbd"
"$binary" completions fish >"$made/completions/ebbd.fish"
cargo deb -p ebbd --no-build --no-strip
