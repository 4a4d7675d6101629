#!/bin/sh
# Installs the named programs from Debian where they are missing. Only root can; anyone else is told in one line.
set -eu
missing=""
for program in "$@"; do
    command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing:$missing (install as root with apt-get, or the tests that need them are skipped)" >&2
    exit 0
fi
packages=$(echo "$missing" | sed 's/\bnginx\b/nginx-light/; s/\bjava\b/openjdk-17-jre-headless/; s/\bmvn\b/maven/')
log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
case " $packages " in
*" postfix "*)
    # Its package would begin to serve port 25 by itself; tests run it from directories of their own.
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    ;;
esac
# shellcheck disable=SC2086 # one word a package
if ! { apt-get update -q && apt-get install -y -q --no-install-recommends $packages; } >"$log" 2>&1; then
    echo "apt-get could not install:$missing; its last words:" >&2
    tail -n 3 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
