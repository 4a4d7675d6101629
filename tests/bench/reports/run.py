#!/usr/bin/env python3
"""Builds a large set of events inside the engine and asks the checked-in list of questions of it.

Usage: run.py URL USER PASSWORD DATABASE [MESSAGES] [ROUNDS]

Prints, for each question: cold (the engine's caches dropped; the system's too where this may be done) and the median of warm
times, rows and bytes read, and the same for `uniqExact` over the raw events. Before that the bytes on disk of an event with and
without evidence, and of the roll-ups apart. The set is made anew unless the account has as many messages already.
"""

import json
import os
import pathlib
import statistics
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
URL, USER, PASSWORD, DATABASE = sys.argv[1:5]
MESSAGES = int(sys.argv[5]) if len(sys.argv) > 5 else 1_000_000
ROUNDS = int(sys.argv[6]) if len(sys.argv) > 6 else 5
ACCOUNT, CHUNK, DAY = 1_000_001, 250_000, 86_400_000
DAYS = int(os.environ.get("DAYS", "60"))
# RAW=no times the reports alone: over 66 million events one question of the raw ones takes 17 s. The recount at the end stays.
WITH_RAW = os.environ.get("RAW") != "no"
EVER = (946_684_800_000, 4_102_444_800_000)
COMPARED = [
    f"{kind}_{actor}{what}" for kind in ("opens", "clicks") for actor in ("", "human_", "automated_") for what in ("total", "unique")
]


def ask(sql, binary=False, **parameters):
    """The answer's text, its seconds, and what was read."""
    settings = {"database": DATABASE, "wait_end_of_query": "1", "max_execution_time": "3600"}
    settings |= {f"param_{name}": str(value) for name, value in parameters.items()}
    request = urllib.request.Request(
        f"{URL}/?{urllib.parse.urlencode(settings)}",
        data=sql.encode(),
        headers={"X-ClickHouse-User": USER, "X-ClickHouse-Key": PASSWORD},
    )
    started = time.perf_counter()
    try:
        with urllib.request.urlopen(request) as response:
            body = response.read()
            text = "" if binary else body.decode()
            summary = json.loads(response.headers.get("X-ClickHouse-Summary") or "{}")
    except urllib.error.HTTPError as error:
        sys.exit(f"bench: {error.read().decode()[:500]}\n{sql[:200]}")
    return text.strip(), time.perf_counter() - started, summary


def children(pid):
    """The processes that one has started, by whichever of its threads."""
    return [one for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def make(until_ms):
    statements = [(HERE / name).read_text() for name in ("generate_events.sql", "generate_deliveries.sql")]
    started = time.perf_counter()
    for first in range(0, MESSAGES, CHUNK):
        for statement in statements:
            ask(
                statement,
                account=ACCOUNT,
                seed=1,
                first=first,
                count=min(CHUNK, MESSAGES - first),
                total=MESSAGES,
                campaigns=max(10, MESSAGES // 20_000),
                days=DAYS,
                until_ms=until_ms,
                evidence_days=300,
            )
        done = min(first + CHUNK, MESSAGES)
        print(f"\rmade {done} of {MESSAGES} messages, {time.perf_counter() - started:.0f} s", end="", file=sys.stderr, flush=True)
    while (left := int(ask(f"SELECT count() FROM rollup_touched WHERE account = {ACCOUNT}")[0])) > 0:
        print(f"\rrolling up: {left} touched rows left, {time.perf_counter() - started:.0f} s   ", end="", file=sys.stderr, flush=True)
        time.sleep(2)
    print(file=sys.stderr)
    for table in ("events", "deliveries", "rollup_facts", "rollup_days", "rollup_messages", "rollup_patterns"):
        ask(f"OPTIMIZE TABLE {table} FINAL")


def sizes():
    def bytes_of(table, columns="1"):
        text = ask(
            "SELECT sum(column_data_compressed_bytes + column_marks_bytes) FROM system.parts_columns"
            f" WHERE database = currentDatabase() AND active AND table = '{table}' AND {columns}"
        )[0]
        return int(text or 0)

    events, deliveries = (int(ask(f"SELECT count() FROM {table}")[0]) for table in ("events", "deliveries"))
    evidence = bytes_of("events", "column IN ('ip', 'user_agent', 'headers', 'trailing')")
    ids = bytes_of("events", "column = 'event_id'")
    whole = bytes_of("events")
    # The projections lie in the parts, and not in their columns.
    sums = int(
        ask(
            "SELECT sum(data_compressed_bytes + marks_bytes) FROM system.projection_parts"
            " WHERE database = currentDatabase() AND active AND table = 'rollup_messages'"
        )[0]
    )
    beside = [f"rollup_{what}" for what in ("patterns", "days", "campaigns", "receivers")]
    rolled = bytes_of("rollup_messages") + sums + sum(bytes_of(table) for table in beside)
    facts = bytes_of("rollup_facts")
    print(f"{events} events, {deliveries} delivery events, {MESSAGES} messages")
    print(
        f"bytes on disk an event: {whole / events:.1f} with evidence, {(whole - evidence) / events:.1f} without"
        f" ({ids / events:.1f} of them its id); a delivery event {bytes_of('deliveries') / deliveries:.1f};"
        f" roll-ups apart {rolled / MESSAGES:.1f} a message, of which {sums / MESSAGES:.1f} are sums by day; {rolled / events:.1f} an event;"
        f" facts by message apart {facts / events:.1f} an event"
    )


def questions(until_ms):
    for line in (HERE / "queries.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        name, view, window, cohort, suppress, only, by = line.split("\t")
        if os.environ.get("MATCH", "") not in name:
            continue
        if window == "ever":
            first, last = EVER
        else:
            first, last = (int(until_ms - float(days) * DAY) for days in window.split(","))
        campaign = "campaign-3" if only == "campaign" else ""
        domain = "gmail.com" if only == "domain" else ""
        asked = (
            f"account = {ACCOUNT}, from_ms = {first}, to_ms = {last}, cohort = '{cohort}', campaign = '{campaign}',"
            f" recipient_domain = '{domain}', mailbox_provider = '', suppress = {suppress}"
        )
        is_detail = view not in ("figures", "hit_figures", "series")
        if view == "series":
            step, offset = (3_600_000, 0) if by == "hour" else (DAY, 20_700_000)
            start = (first + offset) // step * step - offset + step
            asked = f"{asked}, edges = {[first, *range(start, last, step)]}"
            raw_key = f"intDiv(toUnixTimestamp64Milli(received_at) + {offset}, {step})"
        elif is_detail:
            # A detail: its own parameters, if any, as they are written.
            asked, raw_key = f"{asked}{by and ', '}{by}", "''"
        else:
            asked = f"{asked}, by = '{by}'"
            raw_key = by if by in ("campaign", "recipient_domain", "source") else "''"
        moment = "sent_at" if cohort == "sent" else "received_at"
        scope = (
            f" FROM events WHERE account = {ACCOUNT}"
            f" AND {moment} >= fromUnixTimestamp64Milli({first}) AND {moment} < fromUnixTimestamp64Milli({last})"
            + (f" AND campaign = '{campaign}'" if campaign else "")
            + (f" AND recipient_domain = '{domain}'" if domain else "")
        )
        raw = f"SELECT {raw_key} AS k, kind, actor, uniqExact(message_id), count(){scope} GROUP BY k, kind, actor FORMAT Null"
        # The events alone don't know a provider; nor when a message was sent, which its delivery events say first.
        is_comparable = not is_detail and by != "mailbox_provider" and (cohort == "event" or window == "ever")
        if view == "series":
            raw_key = f"greatest({first}, {raw_key} * {step} - {offset})"
        recounts = (
            f"SELECT group_key, {', '.join(COMPARED)} FROM report_{view}({asked}) ORDER BY group_key",
            f"SELECT toString({raw_key}) AS group_key, {recounted(suppress)}{scope} GROUP BY group_key ORDER BY group_key",
        )
        yield name, f"SELECT * FROM report_{view}({asked}) FORMAT Null", raw, recounts if is_comparable else None


def recounted(suppress):
    """The figures of COMPARED over the raw events; a human click implies an open, which is in uniques and in no total."""
    left_out = (
        "actor = 'automated' AND source IN (SELECT id FROM report_sources"
        f" WHERE has(CAST({suppress}, 'Array(String)'), if(class = '', 'other', class)))"
    )
    human_click = "(kind = 'click' AND actor = 'human')"
    figures = {}
    for kind in ("open", "click"):
        implied = human_click if kind == "open" else "false"
        for name, is_meant in {"": f"NOT ({left_out})", "human_": "actor = 'human'", "automated_": "actor = 'automated'"}.items():
            is_implied = "false" if name == "automated_" else implied
            hits = f"(kind = '{kind}' AND {is_meant})"
            figures[f"{kind}s_{name}total"] = f"countIf({hits})"
            # Hashed, which takes half the memory: two of 30 million messages are one with a chance of 1 in 40,000.
            figures[f"{kind}s_{name}unique"] = f"uniqExactIf(sipHash64(message_id), {hits} OR {is_implied})"
    return ", ".join(figures[figure] for figure in COMPARED)


def differences(name, recounts):
    """How many figures of a question are not what the raw events say, each printed."""
    answered, said = (
        {row[0]: row[1:] for row in (line.split("\t") for line in ask(sql)[0].splitlines())} for sql in recounts
    )
    nothing = ["0"] * len(COMPARED)
    found = 0
    for group in sorted(answered.keys() | said.keys()):
        both = zip(COMPARED, said.get(group, nothing), answered.get(group, nothing))
        for figure, by_events, in_report in both:
            if by_events != in_report:
                print(f"{name}: {group}: {figure} is {by_events} by the events, {in_report} in the report", flush=True)
                found += 1
    return found


def timed(sql):
    for cache in ("MARK CACHE", "UNCOMPRESSED CACHE"):
        ask(f"SYSTEM DROP {cache}")
    try:
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        pass
    # An answer in no format says nothing of what was read.
    cold, summary = ask(sql.replace("FORMAT Null", "FORMAT RowBinary"), binary=True)[1:]
    return cold, statistics.median(ask(sql)[1] for _ in range(ROUNDS)), summary


def set_ends_ms():
    """The last midnight, or that of BACK days before: when the set was made."""
    return (int(time.time() * 1000) // DAY - int(os.environ.get("BACK", "0"))) * DAY


def prepare(until_ms):
    known = int(ask(f"SELECT uniqExact(message_id) FROM deliveries WHERE account = {ACCOUNT}")[0])
    if known == 0:
        make(until_ms)
    elif known != MESSAGES:
        sys.exit(f"bench: the account has {known} messages, not {MESSAGES}: take another database")


def main():
    until_ms = set_ends_ms()
    prepare(until_ms)
    sizes()
    raw_too = "   raw uniqExact: cold, warm, rows, bytes" if WITH_RAW else ""
    print(f"\n{'question':48} {'cold':>8} {'warm p50':>9} {'rows':>12} {'bytes':>14}{raw_too}")
    asked_of = list(questions(until_ms))
    for name, sql, raw, _ in asked_of:
        shown = []
        for asked in (sql, raw) if WITH_RAW else (sql,):
            cold, warm, summary = timed(asked)
            rows, size = int(summary.get("read_rows", 0)), int(summary.get("read_bytes", 0))
            shown.append(f"{cold:7.3f}s {warm:8.3f}s {rows:12} {size:14}")
        print(f"{name:48} {'   '.join(shown)}", flush=True)
    comparable = [(name, recounts) for name, _, _, recounts in asked_of if recounts]
    found = sum(differences(name, recounts) for name, recounts in comparable)
    print(f"\n{len(comparable)} of {len(asked_of)} questions recounted from the raw events, {found} differences")
    if found:
        sys.exit("bench: the reports don't say what the events say")


if __name__ == "__main__":
    main()
