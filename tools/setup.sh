#!/bin/sh
# Makes .venv at the root of the checkout and installs the package into it, editable, with the extras
# named by $1. Run by `make setup`, only when its inputs have changed. Knows nothing of models.
set -eu
cd "$(dirname "$0")/.."
extras=${1:-dev}

modern='import sys; sys.exit(sys.version_info < (3, 11))'
native='import platform, sys; sys.exit(sys.platform == "darwin" and platform.machine() != "arm64")'

find_python() { # prints the first interpreter that is new enough
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if "$name" -c "$modern" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "mlx-responses needs Python 3.11 or newer, and found none: install one (macOS: brew install" >&2
    echo "python@3.13; Debian, Ubuntu: apt-get install python3 python3-venv), or name it: PYTHON=... make setup" >&2
    return 1
}

usable() { # an environment left by a failed or a different set-up is made again
    .venv/bin/python -c "$modern" 2>/dev/null || return 1
    test -n "$uv" || .venv/bin/python -m pip --version >/dev/null 2>&1
}

install_openblas() { # MLX's CPU backend is 30 times slower without it; Metal does not use it
    test "$(uname -s)" = Linux || return 0
    case "$(PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null)" in *libopenblas.so*) return 0 ;; esac
    if test "$(id -u)" = 0 && command -v apt-get >/dev/null; then
        echo "installing OpenBLAS (libopenblas0-pthread)"
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends libopenblas0-pthread; } \
            >/dev/null </dev/null && return 0
    fi
    echo "OpenBLAS is not installed: the CPU backend will be slow. On Debian or Ubuntu:"
    echo "    sudo apt-get install libopenblas0-pthread"
}

uv=$(command -v uv || true)
if ! usable; then
    python=$(find_python)
    "$python" -c "$native" || {
        echo "$python runs under Rosetta or on Intel; MLX needs a native Python on Apple silicon" >&2
        exit 1
    }
    echo "making .venv with $("$python" --version)"
    rm -rf .venv
    if test -n "$uv"; then
        uv venv --quiet --python "$("$python" -c 'import sys; print(sys.executable)')" .venv
    else
        "$python" -m venv .venv
    fi
fi

echo "installing mlx-responses and what it needs into .venv (a few minutes the first time)"
if test -n "$uv"; then
    uv pip install --quiet --python .venv/bin/python --constraint constraints.txt --editable ".[$extras]"
else
    .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[$extras]"
fi
install_openblas
