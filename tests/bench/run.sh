#!/usr/bin/env bash
# Measures trueopen against references on this machine, in one run, and prints ratios with their spread.
#   1. the pixel under 64 connections, server on one core and wrk on the other, against nginx's empty_gif with a buffered
#      access log: the tracker alone (hit on disk before the answer), and all of `up` on that one core
#   2. how long a burst stays uncorrected in the timeline
#   3. verdicts a second beside a bare woothee parse, of single hits and with a million messages' windows open
# ROUNDS and SECONDS_EACH change how long it takes.
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${ROUNDS:-7}
seconds=${SECONDS_EACH:-4}
work=$(mktemp -d)
started=()
end() {
    for id in "${started[@]:-}"; do [ -z "$id" ] || kill "$id" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap end EXIT

for program in wrk nginx taskset; do
    PATH="$PATH:/usr/sbin" command -v "$program" >/dev/null || { echo "bench: $program is missing (make bench-deps installs it as root)" >&2; exit 1; }
done
[ "$(nproc)" -ge 2 ] || { echo "bench: two cores are needed, one for the server and one for wrk" >&2; exit 1; }

cargo build --release --locked -q -p trueopen
cargo build --release --locked -q -p classifier --example verdicts
cargo build --release --locked -q -p journal --example bench
library=$(services/embedded/fetch.sh)
# As `make up` has it.
ASN=$(services/classifier/fetch-asn.sh target/release/trueopen)
export ASN

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo $((20000 + RANDOM % 20000)); }
ready() { # url
    for _ in $(seq 600); do curl -fs -o /dev/null "$1" && return 0; sleep 0.1; done
    echo "bench: $1 did not come up" >&2; exit 1
}
rate() { # url → requests a second
    taskset -c 1 wrk -t1 -c64 -d"${seconds}s" "$1" | awk '/Requests\/sec/ { print $2 } /Non-2xx/ { print "bench: bad answers" > "/dev/stderr" }'
}
median_of() { sort -n | awk '{ v[NR] = $1 } END { printf "%s %s %s", v[1], v[int((NR + 1) / 2)], v[NR] }'; }

tracker=$(free_port); report=$(free_port); admin=$(free_port); engine=$(free_port); web=$(free_port)
export TRUEOPEN_TRACKER__LISTEN=127.0.0.1:$tracker TRUEOPEN_REPORT__LISTEN=127.0.0.1:$report TRUEOPEN_ADMIN__LISTEN=127.0.0.1:$admin \
    TRUEOPEN_ENGINE__LISTEN=127.0.0.1:$engine TRUEOPEN_ENGINE__LIBRARY=$library TRUEOPEN_DATA_DIR=$work/data TRUEOPEN_LOG__FILTER=warn

taskset -c 0 target/release/trueopen up >"$work/up.out" &
up=$!; started+=("$up")
ready "http://127.0.0.1:$admin/readyz"
pixel=$(target/release/trueopen link --account demo --message bench --campaign bench --recipient bench --recipient-domain example.org)

cat >"$work/nginx.conf" <<CONF
worker_processes 1; daemon off; pid $work/nginx.pid; error_log $work/nginx-error.log;
events { worker_connections 1024; }
http {
  access_log $work/nginx-access.log combined buffer=64k flush=1s;
  client_body_temp_path $work/b; proxy_temp_path $work/p; fastcgi_temp_path $work/f; uwsgi_temp_path $work/u; scgi_temp_path $work/s;
  keepalive_requests 1000000;
  server { listen 127.0.0.1:$web; location / { empty_gif; } }
}
CONF
PATH="$PATH:/usr/sbin" taskset -c 0 nginx -c "$work/nginx.conf" 2>/dev/null &
started+=("$!")
ready "http://127.0.0.1:$web/"

compare() { # name url
    : >"$work/ratios"; : >"$work/ours"; : >"$work/theirs"
    rate "$2" >/dev/null; rate "http://127.0.0.1:$web/" >/dev/null
    for _ in $(seq "$rounds"); do
        ours=$(rate "$2"); theirs=$(rate "http://127.0.0.1:$web/")
        echo "$ours" >>"$work/ours"; echo "$theirs" >>"$work/theirs"
        awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.3f\n", a / b }' >>"$work/ratios"
    done
    read -r _ ours _ <<<"$(median_of <"$work/ours")"; read -r _ theirs _ <<<"$(median_of <"$work/theirs")"
    read -r low middle high <<<"$(median_of <"$work/ratios")"
    printf '%-44s %9.0f/s  nginx %9.0f/s  ratio %s (%s to %s, %s rounds)\n' "$1" "$ours" "$theirs" "$middle" "$low" "$high" "$rounds"
}

echo "pixel, 64 connections, server on one core:"
compare "all of up on that core" "$pixel"
curl -s "http://127.0.0.1:$admin/metrics" | awk '/^trueopen_tracker_(received|journaled|refused|unconfirmed)_hits_total/ { sub(/\{.*\}/, "", $1); n[$1] += $2 } END { for (k in n) printf "  %s %d\n", k, n[k] }' | sort
echo; echo "corrections, with that campaign's messages in the database:"
tests/bench/correction.py "http://127.0.0.1:$report" "$(cat "$work/data/admin.key")"
kill -INT "$up"; wait "$up" || true
taskset -c 0 target/release/trueopen track &
started+=("$!")
ready "http://127.0.0.1:$admin/readyz"
compare "the tracker alone, each hit fsynced" "$pixel"

echo; echo "verdicts beside a bare woothee parse, one core:"
taskset -c 0 cargo run --release --locked -q -p classifier --example verdicts
echo; echo "the same with a million messages' windows open:"
taskset -c 0 cargo run --release --locked -q -p classifier --example windows
echo; echo "and with one hit each:"
HITS=1 taskset -c 0 cargo run --release --locked -q -p classifier --example windows
echo; echo "and with a delivery event for each message:"
DELIVERED=1 taskset -c 0 cargo run --release --locked -q -p classifier --example windows
echo; echo "journal:"
cargo run --release --locked -q -p journal --example bench
