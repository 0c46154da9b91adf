"""A pod that sends requests to an address from inside the cluster and says in its log how they went.

Each request has a connection of its own, as most of the requests that a proxy spreads. One line of JSON every half
second holds all counts since the beginning, so the last line is the result.
"""

import json
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter

ADDRESS, PER_SECOND, THREADS = sys.argv[1], float(sys.argv[2]), 8
lock = threading.Lock()
sent, failures, versions = 0, Counter(), Counter()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask() -> None:
    global sent
    try:
        request = urllib.request.Request(ADDRESS, headers={"Connection": "close"})
        with opener.open(request, timeout=10) as answer:
            version = json.loads(answer.read())["version"]
        with lock:
            sent += 1
            versions[version] += 1
    except (OSError, ValueError, KeyError) as error:
        with lock:
            sent += 1
            failures[f"{type(error).__name__}: {error}"] += 1


def send() -> None:
    while True:
        began = time.monotonic()
        ask()
        time.sleep(max(0.0, THREADS / PER_SECOND - (time.monotonic() - began)))


for _ in range(THREADS):
    threading.Thread(target=send, daemon=True).start()
while True:
    time.sleep(0.5)
    with lock:
        print(json.dumps({"sent": sent, "failures": dict(failures), "versions": dict(versions)}), flush=True)
