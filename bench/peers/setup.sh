#!/bin/bash
# Installs whoever ebbd is compared with: DuckDB, Polars and chDB into bench/peers/.venv, sonic-rs as a small
# program of its own, and, where their sources lie in $EBBD_PEERS (brubeck/, statsite/), the two C counters of
# StatsD lines (Debian: libjansson-dev libck-dev libssl-dev autoconf automake libtool). Not part of CI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { echo "peers: $*"; }

if ! cmp -s requirements.txt .venv/installed; then
    say "installing $(grep -vc '^#' requirements.txt) Python packages"
    rm -rf .venv
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: -r requirements.txt
    cp requirements.txt .venv/installed
fi

say "building sonic-rs"
(cd sonic && cargo build --release --quiet)

mkdir -p .built
sources=${EBBD_PEERS:-}
if [ -d "$sources/brubeck" ]; then
    say "building brubeck"
    build=$(mktemp -d)
    cp -r "$sources/brubeck/." "$build"
    (
        cd "$build"
        # OpenSSL 3 hides this structure, and the page of figures is not wanted.
        sed -i 's/HMAC_CTX ctx;/HMAC_CTX *ctx = HMAC_CTX_new();/; /HMAC_CTX_init/d; s/&ctx/ctx/g;
            s/HMAC_CTX_cleanup/HMAC_CTX_free/' src/samplers/statsd-secure.c
        echo 'void brubeck_http_endpoint_init(void *a, const char *b) { (void)a; (void)b; }' >src/http.c
        gcc -O3 -w -flto -fcommon -Isrc -DNDEBUG=1 '-DGIT_SHA="none"' src/*.c src/*/*.c brubeck.c -o brubeck \
            -lck -lm -pthread -lrt -lcrypto -ljansson
    )
    cp "$build/brubeck" .built/
fi
if [ -d "$sources/statsite" ]; then
    say "building statsite"
    build=$(mktemp -d)
    cp -r "$sources/statsite/." "$build"
    (cd "$build" && ./autogen.sh && ./configure && make) >"$build/told" 2>&1
    cp "$build/statsite" .built/
fi
say "done"
