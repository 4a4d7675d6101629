#!/usr/bin/env bash
# Measures the stages joined by a real broker and the real engine: what it prints is said in tests/examples/end_to_end.rs.
# HITS_SECONDS, PROBES and ROUNDS change how long it takes (about three minutes).
set -euo pipefail
cd "$(dirname "$0")/../.."
for program in wrk java; do
    command -v "$program" >/dev/null || { echo "bench: $program is missing (make bench-deps installs wrk as root)" >&2; exit 1; }
done
tests/kafka/fetch.sh >/dev/null
cargo build --release --locked -q -p trueopen
TRUEOPEN_PROGRAM=$PWD/target/release/trueopen exec cargo run --release --locked -q -p acceptance --example end_to_end
