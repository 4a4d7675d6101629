#!/usr/bin/env bash
# Reports over a large set: builds it in an embedded engine of its own and asks tests/bench/reports/queries.tsv of it.
# MESSAGES (1 million; 30 million make 100 million events and take about 8 GB) over DAYS (60), ROUNDS (5) of warm questions, DATA to keep
# the set for another run, and then with BACK the days since it was made; RAW=no times no questions of raw events, and MATCH
# asks those alone whose name has it. It is rolled up three million at a time, which takes 6 GB. Then the export of EXPORT_DAYS (20) of
# its days, and reports while LIVE (200) opens a second come in; ONLY=reports, export or live measures one of them, and PROGRAM another
# program than the one that is built here.
set -euo pipefail
cd "$(dirname "$0")/../../.."
program=${PROGRAM:-target/release/trueopen}
[ -n "${PROGRAM:-}" ] || cargo build --release --locked -q -p trueopen
library=$(services/embedded/fetch.sh)
data=${DATA:-$(mktemp -d)}
up=
end() {
    [ -z "$up" ] || { kill "$up" 2>/dev/null || true; wait "$up" 2>/dev/null || true; }
    [ -n "${DATA:-}" ] || rm -rf "$data"
}
trap end EXIT
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
engine=$(port); report=$(port)
TRUEOPEN_TRACKER__LISTEN=127.0.0.1:$(port) TRUEOPEN_REPORT__LISTEN=127.0.0.1:$report TRUEOPEN_ADMIN__LISTEN=127.0.0.1:$(port) \
    TRUEOPEN_LOADER__ROLLUP_MESSAGES=${TRUEOPEN_LOADER__ROLLUP_MESSAGES:-3000000} \
    TRUEOPEN_ENGINE__LISTEN=127.0.0.1:$engine TRUEOPEN_ENGINE__LIBRARY=$library TRUEOPEN_DATA_DIR=$data TRUEOPEN_LOG__FILTER=warn \
    "$program" up >"$data.out" &
up=$!
password=$data/clickhouse/engine.password
for _ in $(seq 600); do
    [ -s "$data/admin.key" ] && [ -s "$password" ] && curl -fs -o /dev/null -u "default:$(cat "$password")" "http://127.0.0.1:$engine/?query=SELECT+count()+FROM+rollup_touched" && break
    sleep 0.2
done
set_of=("http://127.0.0.1:$engine" default "$(cat "$password")" default "${MESSAGES:-1000000}" "${ROUNDS:-5}")
[ "${ONLY:-reports}" != reports ] || python3 tests/bench/reports/run.py "${set_of[@]}"
[ "${ONLY:-export}" != export ] || python3 tests/bench/reports/export.py "${set_of[@]}" "http://127.0.0.1:$report" "$(cat "$data/admin.key")" "$up" "${EXPORT_DAYS:-20}"
[ "${ONLY:-live}" != live ] || python3 tests/bench/reports/live.py "${set_of[@]}" "$up" "${LIVE:-200}"
