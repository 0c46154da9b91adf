"""A pod that sends requests to an address from inside the cluster and says in its log how they went.

Each request has a connection of its own, as most of the requests that a proxy spreads. The first ones are not counted:
a proxy may know of a new address a moment late, so counting begins when a few in a row were answered. Whatever goes
wrong after that is a failure. One line of JSON every half second holds all counts since then, so the last line is the
result; `oldest_seconds` says how long the request waits that has waited longest, because one that nobody answers is
counted only when it gives up.
"""

import json
import sys
import threading
import time
import urllib.request
from collections import Counter

ADDRESS, PER_SECOND, THREADS = sys.argv[1], float(sys.argv[2]), 8
AT_FIRST = 10
"""Answers in a row before anything is counted."""
lock = threading.Lock()
sent, failures, versions = 0, Counter(), Counter()
under_way: dict[int, float] = {}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def version() -> str:
    request = urllib.request.Request(ADDRESS, headers={"Connection": "close"})
    with opener.open(request, timeout=10) as answer:
        return str(json.loads(answer.read())["version"])


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def wait_for_answers() -> None:
    answered = 0
    while answered < AT_FIRST:
        try:
            version()
            answered += 1
        except Exception as error:
            answered = 0
            say(sent=0, before=f"{type(error).__name__}: {error}")
            time.sleep(0.5)


def ask() -> None:
    global sent
    with lock:
        under_way[threading.get_ident()] = time.monotonic()
    told = failure = ""
    try:
        told = version()
    except Exception as error:
        failure = f"{type(error).__name__}: {error}"
    with lock:
        del under_way[threading.get_ident()]
        sent += 1
        (failures if failure else versions)[failure or told] += 1


def send() -> None:
    while True:
        began = time.monotonic()
        ask()
        time.sleep(max(0.0, THREADS / PER_SECOND - (time.monotonic() - began)))


wait_for_answers()
BEGAN = time.monotonic()
for _ in range(THREADS):
    threading.Thread(target=send, daemon=True).start()
while True:
    time.sleep(0.5)
    with lock:
        now = time.monotonic()
        oldest = max((now - began for began in under_way.values()), default=0.0)
        counts = {"sent": sent, "failures": dict(failures), "versions": dict(versions)}
    say(seconds=now - BEGAN, oldest_seconds=oldest, **counts)
