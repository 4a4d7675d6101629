#!/usr/bin/env python3
"""Asks reports over the set of run.py while opens come in, of messages of its last three days.

Usage: live.py URL USER PASSWORD DATABASE MESSAGES ROUNDS PID [RATE]

PID is the process whose loader rolls up, with the engine as its child. Prints the CPU that both take when nothing comes in and while RATE
(200) opens a second do, then for each of some questions the median and the worst of the times over ROUNDS times ten seconds, each with how
many messages waited to be rolled up. Last, with messages waiting still, the summary against a recount of the raw events.
"""

import statistics
import sys
import threading
import time

import run

PID = sys.argv[7]
RATE = int(sys.argv[8]) if len(sys.argv) > 8 else 200
SECONDS = 10 * run.ROUNDS
SUMMARY = "summary, all time, all suppressed"
ASKED = (SUMMARY, "breakdown by campaign", "series, days of Kathmandu (+05:45), 30 days")
POOL = "bench_pool"
OPENS = f"""
INSERT INTO events
    (account, event_id, revision, kind, received_at, message_id, recipient_id, campaign, recipient_domain, sent_at, method, actor, source,
     client, confidence, reasons, ruleset, evidence_until, retention_until, ip, user_agent, headers, trailing)
SELECT {run.ACCOUNT}, generateUUIDv7(), 1, 'open', now64(3), message_id, recipient_id, campaign, recipient_domain, now64(3) - 86400, 'GET', 'human',
    'chrome', 'Chrome', 0.6, '[]', 'live', now() + 86400 * 300, now() + 86400 * 400, '192.0.2.1', 'Mozilla/5.0', '{{}}', ''
FROM {POOL} ORDER BY rand() LIMIT {RATE}"""


def cpu_seconds():
    """Of the process and its children."""
    return sum(run.processor_seconds(pid) for pid in [PID, *run.children(PID)])


def waiting():
    return int(run.ask("SELECT uniqExact(message_id) FROM rollup_touched")[0])


def write(stop):
    while not stop.wait(max(0.0, 1 - run.ask(OPENS)[1])):
        pass


def load(name):
    """What the processes take meanwhile, and how many messages wait."""
    before, started, waited = cpu_seconds(), time.perf_counter(), []
    while time.perf_counter() - started < SECONDS:
        time.sleep(1)
        waited.append(waiting())
    spent = (cpu_seconds() - before) / (time.perf_counter() - started)
    print(f"{name}: {spent:.2f} s of CPU a second, {statistics.median(waited):.0f} messages waiting", flush=True)


def asked(name, sql):
    times, waited, started = [], [], time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        waited.append(waiting())
        times.append(run.ask(sql)[1])
        time.sleep(1)
    print(
        f"{name}: median {statistics.median(times):.2f} s, worst {max(times):.2f} s of {len(times)},"
        f" {statistics.median(waited):.0f} messages waiting",
        flush=True,
    )


def main():
    until_ms = run.set_ends_ms()
    run.prepare(until_ms)
    run.ask(f"CREATE OR REPLACE TABLE {POOL} (message_id String, recipient_id String, campaign String, recipient_domain String) ENGINE = Memory")
    run.ask(
        f"INSERT INTO {POOL} SELECT DISTINCT message_id, recipient_id, toString(campaign), toString(recipient_domain) FROM deliveries"
        f" WHERE account = {run.ACCOUNT} AND at >= (SELECT max(at) FROM deliveries WHERE account = {run.ACCOUNT}) - toIntervalDay(3)"
        " LIMIT 200000"
    )
    load("nothing comes in")
    stop = threading.Event()
    writer = threading.Thread(target=write, args=(stop,))
    writer.start()
    try:
        time.sleep(20)
        load(f"{RATE} opens a second come in")
        questions = {name: (sql, recounts) for name, sql, _, recounts in run.questions(until_ms)}
        for name in ASKED:
            asked(name, questions[name][0])
    finally:
        stop.set()
        writer.join()
        run.ask(f"DROP TABLE {POOL}")
    left = waiting()
    if left == 0:
        sys.exit("bench: no message waits: nothing came in")
    found = run.differences(SUMMARY, questions[SUMMARY][1])
    print(f"summary with {left} messages waiting, recounted from the raw events, {found} differences")
    if found:
        sys.exit("bench: the report doesn't say what the events say")


if __name__ == "__main__":
    main()
