#!/bin/sh
# Gets what `make web-test` needs: a Chromium of the machine's own (from Debian's packages, where we may), and Playwright.
set -eu
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null && ! test -d "/Applications/Google Chrome.app"; then
    if ! command -v apt-get >/dev/null || test "$(id -u)" != 0; then
        echo "the page is tested in Chromium: install Chrome, or as root apt-get install chromium" >&2
        exit 1
    fi
    echo "installing Chromium (a minute the first time)"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
.venv/bin/python -c 'import playwright' 2>/dev/null || { sh tools/setup.sh dev,web && touch .venv/.ready; }
