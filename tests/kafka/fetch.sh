#!/bin/sh
# Fetches Apache Kafka (a KRaft broker and all that it needs to run) from Maven Central into a cache folder outside the
# checkout, for tests that need a broker.
#
# Prints the folder of the jars on standard output and nothing else there. Whatever goes wrong is one line on standard
# error and an exit code that is not zero. Runs at the same time are safe: each works in a folder of its own and the
# result is put in place by one rename. Every jar is checked against tests/kafka/sha256sums, which also fixes which jars
# there are; later runs trust the stamp that the first one wrote.
#
# TRUEOPEN_CACHE_DIR (or XDG_CACHE_HOME) moves the cache.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
version=4.1.1
plugin=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies

fail() {
    printf 'fetching Kafka: %s\n' "$1" >&2
    exit 1
}

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

place=$cache/kafka-$version
log=$cache/kafka-$version.mvn.log
sums=$here/sha256sums
wanted=$(sha256sum <"$sums")

is_complete() {
    [ "$(cat "$place/stamp" 2>/dev/null)" = "$wanted" ]
}

if is_complete; then
    printf '%s\n' "$place"
    exit 0
fi

command -v java >/dev/null 2>&1 || fail "java is not installed (Debian: apt-get install openjdk-17-jre-headless)"
command -v mvn >/dev/null 2>&1 || fail "mvn is not installed (Debian: apt-get install maven)"
mkdir -p "$cache" 2>/dev/null || fail "cannot create the cache folder $cache"
work=$(mktemp -d "$cache/fetch.XXXXXX" 2>/dev/null) || fail "cannot write to the cache folder $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

[ ! -t 2 ] || printf 'fetching Kafka %s (45 MB) from Maven Central\n' "$version" >&2
if ! mvn -B -q -f "$here/pom.xml" -Dmaven.repo.local="$work/repository" "$plugin" -DincludeScope=runtime \
    -DoutputDirectory="$work/ready" >"$work/log" 2>&1; then
    mv -f "$work/log" "$log" 2>/dev/null || true
    fail "mvn could not fetch it: is there a network? (mvn's words: $log)"
fi
(cd "$work/ready" && sha256sum --check --strict --status "$sums") || fail "a jar is missing or has the wrong sha256"
[ "$(find "$work/ready" -name '*.jar' | wc -l)" = "$(wc -l <"$sums")" ] || fail "there are jars that nobody asked for"
printf '%s\n' "$wanted" >"$work/ready/stamp" || fail "cannot write to the cache folder $cache"

# Two runs can set each other's result aside, so each tries again: whoever comes second finds a complete one.
for attempt in 1 2 3 4 5; do
    is_complete && break
    [ "$attempt" = 1 ] || sleep 1
    [ ! -e "$place" ] || mv "$place" "$work/aside.$attempt" 2>/dev/null || true
    [ ! -d "$work/ready" ] || mv -T "$work/ready" "$place" 2>/dev/null || true
done
is_complete || fail "cannot put Kafka into $place"
printf '%s\n' "$place"
