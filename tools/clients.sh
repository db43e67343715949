#!/bin/sh
# Installs the clients that `make clients` runs against the server into .clients/: npm packages, and an
# environment for Python clients whose needs clash with ours. Done once, and again when their lists change.
set -eu
cd "$(dirname "$0")/.."
lists="tests/clients/package.json tests/clients/requirements.txt"
if test -f .clients/.ready && cat $lists | cmp -s - .clients/.ready; then
    exit 0
fi
command -v npm >/dev/null || {
    echo "the clients need Node.js 20 or newer with npm: nodejs.org, or brew install node" >&2
    exit 1
}
mkdir -p .clients
cp tests/clients/package.json .clients/
echo "installing clients into .clients (a minute the first time)"
(cd .clients && npm install --no-audit --no-fund --no-package-lock --loglevel=error)
test -x .clients/python/bin/python || .venv/bin/python -m venv .clients/python
.clients/python/bin/python -m pip install --quiet --quiet --disable-pip-version-check -r tests/clients/requirements.txt
cat $lists >.clients/.ready
