"""GitHub in a hurry: pushes of one repository, told to a receiver that may be gone at any moment.

What is not answered with 202 is delivered again, in another order, under the id that it had, as somebody would ask
GitHub's hooks API to. Some are delivered twice though they were accepted.
"""

import json
import random
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from uuid import UUID

import httpx

from shopkart_pipeline.adapters.github import signature_of

REPOSITORY = "shopkart/storm"
SERVICES = ("one", "two", "three")


@dataclass(frozen=True)
class Told:
    """One push, the service that it changes (the last ones: none), and what GitHub says of it."""

    delivery_id: str
    sha: str
    service: str | None
    body: bytes = field(repr=False)


def write_history(remote: Path, dice: random.Random, pushes: int) -> list[Told]:
    """Fill a bare repository with a branch of so many commits, and tell each as a push of its own."""
    remote.mkdir(parents=True)
    subprocess.run(["git", "init", "--bare", "--quiet", "--initial-branch=main", "."], cwd=remote, check=True)
    services: list[str | None] = [dice.choice([*SERVICES, *SERVICES, None]) for _ in range(pushes)]
    stream: list[str] = []
    for number, service in enumerate([None, *services]):
        who = f"Ana <ana@shopkart.example> {1_760_000_000 + number} +0000"
        path, text = f"{service or 'notes'}/app.py", f"x = {number}\n"
        stream.append(
            f"commit refs/heads/main\nmark :{number + 1}\nauthor {who}\ncommitter {who}\ndata 6\nchange\n"
            f"M 644 inline {path}\ndata {len(text)}\n{text}\n"
        )
    fill = ["git", "fast-import", "--quiet", "--export-marks=marks"]
    subprocess.run(fill, cwd=remote, check=True, input="".join(stream).encode())
    marks = sorted(line.split() for line in (remote / "marks").read_text().splitlines())
    shas = [sha for _, sha in sorted((int(mark[1:]), sha) for mark, sha in marks)]
    return [_told(dice, before, sha, service) for before, sha, service in zip(shas, shas[1:], services, strict=False)]


def _told(dice: random.Random, before: str, sha: str, service: str | None) -> Told:
    body = {
        "ref": "refs/heads/main",
        "before": before,
        "after": sha,
        "repository": {"full_name": REPOSITORY},
        "sender": {"login": "ana"},
    }
    return Told(str(UUID(int=dice.getrandbits(128), version=4)), sha, service, json.dumps(body).encode())


class Sender:
    """Tells a receiver everything, until all of it was accepted."""

    def __init__(self, port: int, secret: str, told: Sequence[Told], dice: random.Random, per_second: float) -> None:
        self.answers: dict[int | str, int] = {}
        """How often each status was answered, or each way of not answering was met."""
        self._address, self._secret = f"http://127.0.0.1:{port}/webhooks/github", secret
        self._client = httpx.Client(timeout=10, trust_env=False)
        self._dice, self._pause = dice, 1 / per_second
        self._queue = [*told]
        for twice in dice.sample(list(told), len(told) // 10):
            self._queue.insert(dice.randrange(self._queue.index(twice), len(self._queue)) + 1, twice)
        self.planned = len(self._queue)
        self._turn = Lock()

    def send_all(self, deadline: float) -> None:
        """Returns when everything was accepted."""
        waiting = self._queue
        with self._client, ThreadPoolExecutor(8) as pool:
            while waiting:
                assert time.monotonic() < deadline, f"{len(waiting)} were never accepted: {self.answers}"
                jobs: list[tuple[Told, object]] = []
                for each in waiting:
                    jobs.append((each, pool.submit(self._is_accepted, each)))
                    time.sleep(self._pause)
                waiting = [each for each, job in jobs if not job.result()]  # type: ignore[attr-defined]
                self._dice.shuffle(waiting)
                time.sleep(0.5)

    def _is_accepted(self, told: Told) -> bool:
        try:
            answer = self._client.post(self._address, content=told.body, headers=self._headers(told))
            status: int | str = answer.status_code
        except httpx.TransportError as error:
            status = type(error).__name__
        with self._turn:
            self.answers[status] = self.answers.get(status, 0) + 1
        return status == 202

    def _headers(self, told: Told) -> Mapping[str, str]:
        return {
            "X-GitHub-Event": "push",
            "X-GitHub-Delivery": told.delivery_id,
            "X-Hub-Signature-256": signature_of(told.body, self._secret),
            "Content-Type": "application/json",
        }
