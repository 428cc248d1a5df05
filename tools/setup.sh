#!/bin/sh
# Make the virtual environment in $1 and install the pinned dependencies and gatewatch itself into it.
set -eu
venv=$1
python=${PYTHON:-python3}
command -v "$python" >/dev/null || { echo "gatewatch needs Python 3.11 or newer; '$python' was not found (set PYTHON=...)" >&2; exit 2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "gatewatch needs Python 3.11 or newer; $("$python" --version) is too old (set PYTHON=...)" >&2; exit 2; }
# Debian keeps ensurepip in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
  else
    echo "Python's venv module is missing: install the package python3-venv, then run this again" >&2
    exit 2
  fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "installing the pinned dependencies into $venv (a few minutes the first time)"
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --only-binary :all: --require-hashes -r requirements-dev.lock
"$venv/bin/python" -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
