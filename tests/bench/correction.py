#!/usr/bin/env python3
"""How long a scanner's burst stays uncorrected: from the answer to its last click until the timeline shows every click of it
under its corrected verdict. Asks a running `trueopen up`.

    tests/bench/correction.py API_URL ADMIN_KEY [BURSTS]
"""

import json
import sys
import time
import urllib.error
import urllib.request

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
PATIENCE = 30.0


class Stay(urllib.request.HTTPRedirectHandler):
    """A click is answered by a redirect, which nobody follows here."""

    def redirect_request(self, *_):
        return None


def click(opener, url):
    try:
        opener.open(urllib.request.Request(url, headers={"User-Agent": AGENT})).read()
    except urllib.error.HTTPError as answer:
        if answer.code != 302:
            raise


def main():
    api, key = sys.argv[1], sys.argv[2]
    bursts = int(sys.argv[3]) if len(sys.argv) > 3 else 40
    account = f"{api}/v1/accounts/demo"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask(path, body=None):
        data = json.dumps(body).encode() if body else None
        return json.load(urllib.request.urlopen(urllib.request.Request(account + path, data, headers)))

    opener = urllib.request.build_opener(Stay)
    run, waits = int(time.time()), []
    for number in range(bursts):
        message = f"burst-{run}-{number}"
        links = [{"url": f"https://example.com/{link}"} for link in range(6)]
        minted = ask("/links", {"message_id": message, "recipient_id": "r", "recipient_domain": "example.org", "links": links})
        for link in minted["links"]:
            click(opener, link["tracked_url"])
        ended = time.monotonic()
        while True:
            try:
                timeline = ask(f"/messages/{message}/timeline")["events"]
            except urllib.error.HTTPError as answer:
                if answer.code != 404:
                    raise
                timeline = []
            actors = [entry["verdict"]["actor"] for entry in timeline if entry["type"] == "click"]
            if len(actors) == len(links) and set(actors) == {"automated"}:
                break
            if time.monotonic() - ended > PATIENCE:
                sys.exit(f"correction: a burst was not corrected within {PATIENCE:.0f} s: {actors}")
            time.sleep(0.005)
        waits.append((time.monotonic() - ended) * 1000)
    waits.sort()
    print(f"burst corrected in the timeline: p50 {waits[len(waits) // 2]:.0f} ms, most {waits[-1]:.0f} ms ({bursts} bursts of 6 clicks)")


main()
