#!/bin/sh
# Fetches the ClickHouse engine (libchdb.so) at its pinned version from npm into a cache folder outside the checkout.
#
# Prints the path of the library on standard output and nothing else there. Whatever goes wrong is one line on standard
# error and an exit code that is not zero. It never asks and installs nothing. Runs at the same time are safe: each
# works in a folder of its own and the result is put in place by one rename.
#
# The tarball is checked by its sha256. The second run trusts the stamp that the first one wrote beside the library,
# together with the library's size: hashing 566 MB on every start would cost seconds.
#
# TRUEOPEN_CACHE_DIR (or XDG_CACHE_HOME) moves the cache; TRUEOPEN_CHDB_TARBALL names a tarball that was fetched before,
# for machines without a network. It is checked like any other.
set -eu

version=26.7.3-stable.1
package="@chdb/lib-linux-x64-gnu"
tarball_name="chdb-lib-linux-x64-gnu-$version.tgz"
tarball_sha256=c0d32b129e988f2b9a9a31c9141aecf5e1e2453f9a079efc4d36ab8e3f92b2ad
library_bytes=566330096

fail() {
    printf 'fetching the ClickHouse engine: %s\n' "$1" >&2
    exit 1
}

system=$(uname -sm)
[ "$system" = "Linux x86_64" ] || fail "no engine is packaged for '$system' (Linux x86_64 only)"

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

place=$cache/chdb-$version
library=$place/libchdb.so
stamp=$place/stamp
log=$cache/chdb-$version.npm.log

is_complete() {
    [ -f "$library" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$tarball_sha256" ] &&
        [ "$(stat -c %s "$library" 2>/dev/null)" = "$library_bytes" ]
}

if is_complete; then
    printf '%s\n' "$library"
    exit 0
fi

mkdir -p "$cache" 2>/dev/null || fail "cannot create the cache folder $cache"
work=$(mktemp -d "$cache/fetch.XXXXXX" 2>/dev/null) || fail "cannot write to the cache folder $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ -n "${TRUEOPEN_CHDB_TARBALL:-}" ]; then
    tarball=$TRUEOPEN_CHDB_TARBALL
    [ -r "$tarball" ] || fail "cannot read the tarball $tarball (TRUEOPEN_CHDB_TARBALL)"
else
    command -v npm >/dev/null 2>&1 || fail "npm is not installed (Debian: apt-get install npm)"
    # Only a person needs to know why it is quiet for a while.
    [ ! -t 2 ] || printf 'fetching the ClickHouse engine %s (178 MB) from npm\n' "$version" >&2
    # npm says a lot, and differently by version: all of it goes to the log. Its own cache and settings stay out of it.
    if ! (cd "$work" && npm pack --silent --no-audit --no-fund --no-update-notifier --cache "$work/npm" \
        --fetch-retries 2 "$package@$version") >"$work/npm.log" 2>&1; then
        mv -f "$work/npm.log" "$log" 2>/dev/null || true
        fail "npm could not fetch $package@$version: is there a network? (npm's words: $log)"
    fi
    tarball=$work/$tarball_name
    [ -f "$tarball" ] || fail "npm fetched $package@$version but left no $tarball_name"
fi

found=$(sha256sum "$tarball" 2>/dev/null) || fail "cannot read $tarball"
found=${found%% *}
[ "$found" = "$tarball_sha256" ] || fail "the tarball has the wrong sha256 ($found, expected $tarball_sha256)"

mkdir "$work/ready"
tar -xzf "$tarball" -C "$work/ready" --strip-components=1 package/libchdb.so 2>/dev/null ||
    fail "cannot unpack the tarball into $cache (850 MB are needed on the way)"
[ "$(stat -c %s "$work/ready/libchdb.so" 2>/dev/null)" = "$library_bytes" ] ||
    fail "the unpacked library has the wrong size"
chmod 644 "$work/ready/libchdb.so"
printf '%s\n' "$tarball_sha256" >"$work/ready/stamp" || fail "cannot write to the cache folder $cache"

# A place that is there but not complete is set aside first. Two runs can set each other's aside, so each tries again:
# whoever comes second finds a complete one and is content.
for attempt in 1 2 3 4 5; do
    is_complete && break
    [ "$attempt" = 1 ] || sleep 1
    if [ -e "$place" ]; then
        mv "$place" "$work/aside.$attempt" 2>/dev/null || true
    fi
    [ ! -d "$work/ready" ] || mv -T "$work/ready" "$place" 2>/dev/null || true
    if [ -d "$work/aside.$attempt" ] && [ ! -d "$work/ready" ] && [ ! -e "$place" ]; then
        mv -T "$work/aside.$attempt" "$place" 2>/dev/null || true
    fi
done
is_complete || fail "cannot put the library into $place"
printf '%s\n' "$library"
