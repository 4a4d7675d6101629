#!/usr/bin/env python3
"""Measures the raw export, `GET …/events`, over the set of run.py, beside the engine's own answer to the same rows.

Usage: export.py URL USER PASSWORD DATABASE MESSAGES ROUNDS API KEY PID [DAYS]

PID is the process that serves the API, with the engine as its child. For each way to ask (all of a window at once as NDJSON, CSV and
Parquet, and page by page) it prints, over ROUNDS rounds in which ours and the engine's come in turn: rows and bytes a second, the
engine's, the ratio of the times (least to most), and the CPU time that a row takes in either process. Then the most memory that
the API's process had, set back before each question, with a window of an eighth of DAYS (20) days, with all of them, and with eight
readers at once of whom four are slow: bounded means that these are alike, however much is sent.
"""

import concurrent.futures
import http.client
import json
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import run

API, KEY, PID = sys.argv[7:10]
DAYS = float(sys.argv[10]) if len(sys.argv) > 10 else 20.0
NAME, PAGE, SLOW = "bench", 10_000, "4M"
FORMATS = {"ndjson": "JSONEachRow", "csv": "CSVWithNames", "parquet": "Parquet"}


def api(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    return json.load(urllib.request.urlopen(urllib.request.Request(f"{API}{path}", data, headers, method=method)))


def key_of_the_set():
    """A key of the set's account, which the API has to hear of first."""
    run.ask(f"INSERT INTO accounts VALUES ({run.ACCOUNT}, '{NAME}', now64(3))")
    for _ in range(60):
        try:
            made = api("POST", f"/v1/accounts/{NAME}/keys", {"label": "export", "scopes": ["reports:read"]})
            time.sleep(2)
            return made["key"]
        except urllib.error.HTTPError as answer:
            if answer.code != 404:
                sys.exit(f"export: {answer.read().decode()}")
            time.sleep(1)
    sys.exit("export: the API does not hear of the account")


def fetched(url, headers, body=None, rate=None):
    """Bytes and seconds of an answer that nobody keeps; an answer that breaks off ends the run."""
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download} %{time_total}", url]
    command += [part for header in headers for part in ("-H", header)]
    command += ["--data-binary", body] if body else []
    command += ["--limit-rate", rate] if rate else []
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode or not answer.stdout.startswith("200 "):
        sys.exit(f"export: {url.split('?')[0]}: curl ended with {answer.returncode}: {answer.stdout} {answer.stderr}")
    _, size, seconds = answer.stdout.split()
    return int(size), float(seconds)


def path(span, form, limit, cursor=None):
    times = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000)) for at in span]
    asked = {"from": times[0], "to": times[1], "limit": limit, "format": form}
    asked |= {"cursor": cursor} if cursor else {}
    return f"/v1/accounts/{NAME}/events?{urllib.parse.urlencode(asked)}"


def whole(key, span, form, rate=None):
    return fetched(f"{API}{path(span, form, 'all')}", [f"Authorization: Bearer {key}"], rate=rate)


def paged(key, span, form):
    """The same in pages, over one connection; bytes, seconds and pages."""
    connection = http.client.HTTPConnection(urllib.parse.urlparse(API).netloc)
    cursor, size, pages, started = None, 0, 0, time.perf_counter()
    while True:
        connection.request("GET", path(span, form, PAGE, cursor), headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"export: a page answered {answer.status}: {body[:300]}")
        size, pages = size + len(body), pages + 1
        cursor = answer.headers.get("trueopen-next-cursor")
        if form == "json":
            # The last field of the page.
            cursor = json.loads(b"{" + body[body.rindex(b'"next":') :])["next"]
        if not cursor:
            return size, time.perf_counter() - started, pages


def queries(span):
    """The rows of the export as the engine gives them: hits, then delivery events, in the same order."""
    about = f"account = {run.ACCOUNT}, from_ms = {span[0]}, to_ms = {span[1]}, after_message = ''"
    nil = "00000000-0000-0000-0000-000000000000"
    return [
        f"SELECT * EXCEPT (day) FROM export_hits({about}, after_day = 0, after_event = '{nil}')",
        f"SELECT * FROM export_deliveries({about}, after_event = '')",
    ]


def engine(span, form):
    """The engine's own answer to the same rows; bytes and seconds."""
    url = f"{run.URL}/?{urllib.parse.urlencode({'database': run.DATABASE, 'max_execution_time': 3600})}"
    headers = [f"X-ClickHouse-User: {run.USER}", f"X-ClickHouse-Key: {run.PASSWORD}"]
    both = [fetched(url, headers, f"{query} FORMAT {FORMATS.get(form, 'JSONEachRow')}") for query in queries(span)]
    return sum(size for size, _ in both), sum(seconds for _, seconds in both)


def peak(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def set_back(pid):
    """The peak becomes what there is now. Without the right to, peaks only rise, and the line says so."""
    try:
        pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")
    except OSError:
        print("peaks could not be set back: each is the highest so far", file=sys.stderr)


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def speeds(key, span, rows, child):
    print(f"\n{'way':24} {'rows/s':>10} {'MB/s':>7} {'MB':>7}   {'engine rows/s':>13} {'MB/s':>7}   times its time     CPU µs a row: API, engine; engine alone")
    ways = [("whole", form) for form in FORMATS] + [("pages", form) for form in ("json", *FORMATS)]
    for way, form in ways:
        ours, theirs, used = [], [], []
        for round_ in range(run.ROUNDS + 1):
            before = run.processor_seconds(PID), run.processor_seconds(child)
            ours.append(whole(key, span, form) if way == "whole" else paged(key, span, form))
            between = run.processor_seconds(PID), run.processor_seconds(child)
            theirs.append(engine(span, form))
            used.append([between[0] - before[0], between[1] - before[1], run.processor_seconds(child) - between[1]])
            # The first of each is for warming up.
            if round_ == 0:
                ours, theirs, used = [], [], []
        seconds, engines = (statistics.median(run_[1] for run_ in runs) for runs in (ours, theirs))
        costs = [statistics.median(cost[place] for cost in used) / rows * 1e6 for place in range(3)]
        name = f"{way}, {form}" + (f", {ours[0][2]} pages" if way == "pages" else "")
        print(
            f"{name:24} {rows / seconds:10,.0f} {ours[0][0] / seconds / 1e6:7.1f} {ours[0][0] / 1e6:7.0f}"
            f"   {rows / engines:13,.0f} {theirs[0][0] / engines / 1e6:7.1f}"
            f"   {spread([our[1] / their[1] for our, their in zip(ours, theirs)]):18}"
            f" {costs[0]:5.1f}, {costs[1]:.1f}; {costs[2]:.1f}",
            flush=True,
        )


def memory(key, spans, child):
    print(f"\n{'most memory, MB':24} {'before':>8} {'an eighth':>10} {'all':>8} {'8 readers':>10}   the engine: all, 8 readers")
    for form in FORMATS:
        shown, engines = [], []
        set_back(PID)
        before = peak(PID)
        for readers, span in ((1, spans[0]), (1, spans[1]), (8, spans[1])):
            set_back(PID)
            set_back(child)
            with concurrent.futures.ThreadPoolExecutor(readers) as pool:
                rates = [SLOW if readers > 1 and number % 2 else None for number in range(readers)]
                list(pool.map(lambda rate: whole(key, span, form, rate), rates))
            shown.append(peak(PID))
            engines.append(peak(child))
        print(
            f"{'whole, ' + form:24} {before:8.0f} {shown[0]:10.0f} {shown[1]:8.0f} {shown[2]:10.0f}   {engines[1]:8.0f}, {engines[2]:.0f}",
            flush=True,
        )


def main():
    until_ms = run.set_ends_ms()
    run.prepare(until_ms)
    child = run.children(PID)
    key = key_of_the_set()
    span = (until_ms - int(DAYS * run.DAY), until_ms)
    eighth = (span[0], span[0] + int(DAYS / 8 * run.DAY))
    rows, few = (sum(int(run.ask(f"SELECT count() FROM ({query})")[0]) for query in queries(window)) for window in (span, eighth))
    sent = subprocess.run(
        ["sh", "-c", 'curl -sS -H "Authorization: Bearer $1" "$2" | wc -l', "sh", key, f"{API}{path(span, 'ndjson', 'all')}"],
        capture_output=True,
        text=True,
    )
    if int(sent.stdout) != rows:
        sys.exit(f"export: {sent.stdout.strip()} lines came, the engine has {rows} rows: {sent.stderr}")
    print(f"export of {rows} rows, hits and delivery events of {DAYS:g} days ({few} in the first eighth), {run.ROUNDS} rounds, medians")
    speeds(key, span, rows, child[0])
    memory(key, (eighth, span), child[0])


main()
