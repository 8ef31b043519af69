#!/bin/bash
# Installs what the tests need beyond cargo: the Python readers (DuckDB, Polars, pyarrow, Apache
# DataSketches, the InfluxDB client, Playwright) in .venv at the repository's root, Debian's Prometheus, Alertmanager and
# rsyslog unpacked in .tools (nothing of them is started or set up) and, as root on Debian, the commands that
# are missing.
# Does nothing when that is done already.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=tests/python/requirements.txt
stamp=.venv/ebbd-installed

say() { echo "setup: $*"; }

# Debian's packages, as far as their commands are missing.
packages=
need() { command -v "$1" >/dev/null || packages="$packages $2"; }
need python3 python3
need systemd-analyze systemd
need nc netcat-openbsd
need strace strace
need curl curl
need openssl openssl
need chromium chromium
if [ -n "$packages" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "please install:$packages" >&2
        exit 3
    fi
    say "installing$packages"
    apt-get update -qq
    # shellcheck disable=SC2086 # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

# Servers that watch ebbd or send to it: only their files, so that no service starts on this machine.
servers="prometheus prometheus-alertmanager rsyslog libestr0 libfastjson4 liblognorm5"
if [ "$(cat .tools/unpacked 2>/dev/null)" != "$servers" ]; then
    if ! command -v apt-get >/dev/null; then
        say "apt-get is missing: unpack the Debian packages $servers into .tools yourself" >&2
        exit 3
    fi
    say "unpacking $servers into .tools"
    rm -rf .tools
    mkdir -p .tools/packages
    # shellcheck disable=SC2086 # one word per package
    (cd .tools/packages && { apt-get download -qq $servers || { apt-get update -qq && apt-get download -qq $servers; }; } 2>/dev/null)
    for package in .tools/packages/*.deb; do dpkg-deb -x "$package" .tools; done
    rm -rf .tools/packages
    echo "$servers" >.tools/unpacked
fi

if cmp -s "$wanted" "$stamp" && .venv/bin/python -c 'import duckdb, polars, pyarrow, datasketches, influxdb_client, pandas, statsd, datadog, playwright' 2>/dev/null; then
    say "Python readers are installed"
    exit 0
fi

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        say "python3 with venv is missing: install it (Debian: apt-get install python3-venv)" >&2
        exit 3
    fi
    say "installing python3-venv"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi

say "making .venv with $(python3 --version)"
rm -rf .venv
python3 -m venv .venv
say "installing $(grep -vc '^#' "$wanted") packages from $wanted"
.venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: -r "$wanted"
.venv/bin/python -c 'import duckdb, polars, pyarrow, datasketches, influxdb_client, pandas, statsd, datadog, playwright'
cp "$wanted" "$stamp"
say "done"
