#!/bin/sh
# Prints the path of promtool, unpacked once from Debian's package `prometheus` (19 MB) into the cache; installs nothing, so
# no Prometheus begins to run. Fails in one line where it can't be had.
set -eu
command -v promtool && exit 0
cache="${XDG_CACHE_HOME:-$HOME/.cache}/trueopen/promtool"
[ -x "$cache" ] && { echo "$cache"; exit 0; }
command -v apt-get >/dev/null 2>&1 || { echo "missing: promtool" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
if ! { { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; } && dpkg-deb -x prometheus_*.deb unpacked; } >log 2>&1; then
    echo "promtool can't be had from Debian: $(tail -n 1 log)" >&2
    exit 1
fi
mkdir -p "$(dirname "$cache")"
mv unpacked/usr/bin/promtool "$cache.$$"
mv "$cache.$$" "$cache"
echo "$cache"
