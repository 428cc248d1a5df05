#!/bin/sh
# Find a Chromium for the browser tests: the system's, else Debian's package (as root), else Playwright's own.
set -eu
bin=$1
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing Chromium for the browser tests"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && command -v chromium >/dev/null && exit 0
fi
"$bin/python" -m playwright install chromium
