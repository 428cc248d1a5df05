#!/bin/sh
# Find a Chromium for the browser tests: the system's, else Debian's package (as root; the one without windows, which
# starts and draws faster, where there is one), else Playwright's own.
set -eu
bin=$1
as_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
# Playwright drives it with a node of its own, which needs a library that a bare Debian lacks.
driver=$("$bin/python" -c 'from playwright._impl._driver import compute_driver_executable as found; print(found()[0])')
if ! "$driver" --version >/dev/null 2>&1; then
  if as_root_on_debian; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libatomic1 >/dev/null
  fi
  "$driver" --version >/dev/null || { echo "the browser tests' driver cannot run: install libatomic1" >&2; exit 2; }
fi
for name in chromium-headless-shell chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if as_root_on_debian; then
  echo "installing Chromium for the browser tests"
  apt-get update -qq
  for name in chromium-headless-shell chromium; do
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$name" >/dev/null 2>&1 && command -v "$name" >/dev/null && exit 0
  done
fi
"$bin/python" -m playwright install chromium
