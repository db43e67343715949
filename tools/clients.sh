#!/bin/sh
# Installs the clients that `make clients` runs against the server into .clients/: npm packages, and environments
# for Python clients whose needs clash with ours, or with each other's. Done once, and again when their lists change.
set -eu
cd "$(dirname "$0")/.."
lists="tests/clients/package.json tests/clients/requirements.txt tests/clients/litellm.txt"
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
python() {
    test -x ".clients/$1/bin/python" || .venv/bin/python -m venv ".clients/$1"
    ".clients/$1/bin/python" -m pip install --quiet --quiet --disable-pip-version-check -r "tests/clients/$2"
}
python python requirements.txt
python litellm litellm.txt
cat $lists >.clients/.ready
