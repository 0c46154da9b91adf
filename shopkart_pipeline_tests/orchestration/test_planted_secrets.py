"""One secret is planted in each setting that holds any, all of them are put into everything that others write, and
then all that the pipeline keeps, prints, answers and sends is searched for each, as it is and as usual encodings make
it.

Everything happens once, in this process: stages run in Dagster over real stores, a real command prints what it should
not, errors are raised that nobody expects. Each output has a mark where a secret stood, so none is clean because
nothing happened there.
"""

import asyncio
import base64
import contextlib
import html
import io
import json
import logging
import re
import sys
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from dagster import AssetKey

from shopkart_pipeline import settings as settings_module
from shopkart_pipeline.adapters import _process
from shopkart_pipeline.adapters._bearer import ServerAccess, authorization
from shopkart_pipeline.adapters._github_identity import GitHubCredentials, Identities
from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.adapters.sqlite_notifications import SqliteNotificationQueue
from shopkart_pipeline.adapters.sqlite_outbox import SqliteOutbox
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.keys import partitions_name
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, Finding, RawReport, Severity, Tool
from shopkart_pipeline.domain.incident import IncidentSource
from shopkart_pipeline.domain.notice import CommentNotice
from shopkart_pipeline.domain.notification import Notification, SecretReference
from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline.hooks.exporter import create_exporter
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.hooks.server import configured
from shopkart_pipeline.known_secrets import KNOWN
from shopkart_pipeline.masked_output import install, masked_streams
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline.services.send_notifications import send_notifications
from shopkart_pipeline.settings import Settings, from_environment, read_secret, webhook_secrets_of
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.world import PRODUCTION, REPOSITORY, World

VALUES = {
    "SHOPKART_WEBHOOK_SECRET": "planted-webhook-7d1f",
    "SHOPKART_REGISTRY_PASSWORD": 'planted"registry/+&<7d1f>',
    "SHOPKART_SONAR_TOKEN": "squ_planted-sonar-7d1f",
    "SHOPKART_SONAR_WEBHOOK_SECRET": "planted-sonar-hook-7d1f",
    "SHOPKART_ALERTMANAGER_TOKEN": "planted-alertmanager-7d1f",
    "SHOPKART_GITHUB_TOKEN": "planted-github-7d1f",
    "SHOPKART_GITHUB_PRIVATE_KEY": "MIIEplantedGithubKey7d1fAAOCAQ8AMIIBCgKCAQEAu1SU1LfVLPHCozMxH2Mo",
    "SHOPKART_PROMETHEUS_TOKEN": "planted-prometheus-7d1f",
    "SHOPKART_LOKI_TOKEN": "planted-loki-7d1f",
    "SHOPKART_NOTIFY_ONCALL": "https://hooks.example/planted-slack-7d1f",
    "SHOPKART_NOTIFY_MAIL": "planted mail password 7d1f",
    "SHOPKART_DATABASE_SHOP": "planted-database-7d1f",
    "SHOPKART_DATABASE_DAGSTER": "planted-database-in-file-7d1f",
    "SHOPKART_INBOX": "planted-inbox-7d1f",
    "SHOPKART_LEDGER": "planted-ledger-7d1f",
    "SHOPKART_STORES": "planted-stores-7d1f",
    "SHOPKART_BACKUP_KEY": base64.b64encode(b"planted-backup-key-7d1f-32-bytes").decode(),
    "SHOPKART_SIGNER_TOKEN": "planted-signer-7d1f-32-characters",
    "SHOPKART_SIGNER_KEY": "MC4CAQAwBQYDK2VwBCIEIPlantedSigner7d1fAAOCAQ8AMIIBCgKCAQEAu1SU",
    "SHOPKART_FINDING_NAMES_KEY": "7d1f" * 16,
    "AWS_SECRET_ACCESS_KEY": "planted/aws+key/7d1f",
    "PGPASSWORD": "planted-libpq-7d1f",
    "SHOPKART_TOKEN": "planted-machine-7d1f",
}
"""By setting. Of a database's address it is the password."""
_NO_SECRETS = ("SHOPKART_SIGNER_PUBLIC_KEY_FILE", "SHOPKART_TRUSTED_KEYS")
_SOUNDS_SECRET = re.compile("SECRET|TOKEN|PASSWORD|KEY|DATABASE|INBOX|LEDGER$|STORES|NOTIFY")
ALL = " | ".join(VALUES.values())
CROWD = f"{ALL} | {json.dumps(ALL)} | {urllib.parse.quote(ALL)} | {base64.b64encode(f'x:{ALL}'.encode()).decode()}"
"""What everybody writes."""
MARKS = (b"[redacted]", b"****")


def test_every_setting_that_holds_a_secret_is_among_the_planted_ones() -> None:
    named = set(re.findall(r"`((?:SHOPKART)_[A-Z_]+)", settings_module.__doc__ or ""))
    secret = {name for name in named if _SOUNDS_SECRET.search(name)} - set(_NO_SECRETS)
    planted = {re.sub("_(ONCALL|MAIL|SHOP|DAGSTER)$", "", name) for name in VALUES}

    assert {re.sub("_(FILE|NAME|NAME_FILE|)$", "", name) for name in secret} <= planted


def _written(value: str) -> dict[str, bytes]:
    """The value in some encodings, made here in another way than where they are looked for."""
    plain = value.encode()
    forms = {
        "plain": plain,
        "json": json.dumps(value)[1:-1].encode(),
        "percent": urllib.parse.quote(value, safe="").encode(),
        "html": html.escape(value).encode(),
        "hex": plain.hex().encode(),
    }
    for offset in range(3):
        encoded = base64.b64encode(b"x" * offset + plain + b"yyy")
        forms[f"base64+{offset}"] = encoded[4 if offset else 0 : len(encoded) - 8]
    return forms


def found_in(content: bytes) -> list[str]:
    """Which secrets are in there, and how they are written."""
    written = ((name, how, form) for name, value in VALUES.items() for how, form in _written(value).items())
    return [f"{name} ({how})" for name, how, form in written if form in content]


@dataclass
class Traces:
    """What is left of everything that happened."""

    home: Path
    outputs: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def content(self, place: str) -> bytes:
        if place in self.outputs:
            return self.outputs[place]
        files = [path for path in sorted(self.home.glob(place)) if path.is_file()]
        assert files, f"nothing was written to {place}"
        return b"\n".join(path.read_bytes() for path in files)


def _plant(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def file(name: str, content: str) -> str:
        (given / name).write_text(content)
        return str(given / name)

    address = "postgresql://shop:{}@db.example/shop"
    key = VALUES["SHOPKART_GITHUB_PRIVATE_KEY"]
    for name, value in VALUES.items():
        match name:
            case "SHOPKART_DATABASE_SHOP" | "SHOPKART_INBOX" | "SHOPKART_LEDGER" | "SHOPKART_STORES":
                monkeypatch.setenv(name, address.format(value))
            case "SHOPKART_DATABASE_DAGSTER":
                monkeypatch.setenv(f"{name}_FILE", file(name, address.format(value)))
            case (
                "SHOPKART_TOKEN"
                | "SHOPKART_PROMETHEUS_TOKEN"
                | "SHOPKART_BACKUP_KEY"
                | "SHOPKART_NOTIFY_MAIL"
                | "SHOPKART_SONAR_TOKEN"
            ):
                monkeypatch.setenv(f"{name}_FILE", file(name, f"{value}\n"))
            case "SHOPKART_GITHUB_PRIVATE_KEY":
                file(name, f"-----BEGIN RSA PRIVATE KEY-----\n{key}\n-----END RSA PRIVATE KEY-----\n")
            case "SHOPKART_SIGNER_KEY":
                pem = f"-----BEGIN PRIVATE KEY-----\n{value}\n-----END PRIVATE KEY-----\n"
                monkeypatch.setenv(f"{name}_FILE", file(name, pem))
            case _:
                monkeypatch.setenv(name, value)
    monkeypatch.setenv("SHOPKART_REGISTRY_USER", "robot")


def _read_all(settings: Settings, given: Path, clock: FakeClock) -> None:
    """Every secret is read as it is read in use; those of the settings were at the start."""
    webhook_secrets_of(settings)
    settings.backups.key(settings.home)
    settings.backups.address("dagster")
    settings.access.token()
    assert settings.signer.key is not None
    read_secret(settings.signer.key, lines=True)
    read_secret(SecretReference(variable="SHOPKART_NOTIFY_ONCALL"))
    read_secret(SecretReference(file=given / "SHOPKART_NOTIFY_MAIL"))
    login = settings.prometheus
    introduce = authorization("Prometheus", "https://prometheus.example", ServerAccess(login.token, login.token_file))
    assert introduce is not None
    introduce()
    app = GitHubCredentials(app_id="1", private_key_file=given / "SHOPKART_GITHUB_PRIVATE_KEY")
    Identities(app, clock, 1.0)._private_key()  # Private: an App's session asks GitHub at once.


def _raise(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def _run_stages(world: World, settings: Settings) -> None:
    release = world.merge(message=f"fix {CROWD}")
    finding = Finding("rule", Severity.LOW, f"found {CROWD}", "0" * 24, path=f"src/{VALUES['PGPASSWORD']}", line=1)
    lint = world.scanners[StageKind.LINT]
    measures = {"violations": 0, "new_violations": 0, "files": 1}
    lint.result = Evidence(Tool("fake", "1"), f"says {CROWD}", measures, (finding,), {"fact": CROWD}, (CROWD,))
    report = json.dumps({"text": CROWD, "html": html.escape(CROWD)}).encode()
    lint.raw = (RawReport("report.json", "application/json", report), RawReport("raw", "text/plain", CROWD.encode()))
    world.scanners[StageKind.UNIT_TESTS].meanwhile = _raise(RuntimeError(f"nobody expects {CROWD}"))
    stages = [AssetKey(["backend", name]) for name in ("source", "dependencies", "lint", "unit_tests")]
    with open_instance(settings.dagster_home) as instance:
        instance.add_dynamic_partitions(partitions_name("backend"), [release.key])
        job = build_definitions(world.platform).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, partition_key=release.key, asset_selection=stages, raise_on_error=False
        )
    assert not result.success
    world.scanners[StageKind.LINT].meanwhile = _raise(ToolUnavailable(f"no {CROWD}", f"give {CROWD}"))
    world.stage(release, "lint")
    act = Act(world.clock.now(), "maya", "waive", "backend", release.key, "", {"reason": CROWD})
    world.ledger.append(act)
    world.evidence.note(Note("backend", release.key, world.clock.now(), "rollout", CROWD, {"line": CROWD}))
    world.outbox.put([CommentNotice(REPOSITORY, 7, CROWD)], world.clock.now())
    raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, f"slow {CROWD}")


def _tell_people(world: World) -> bytes:
    notify(world.platform, Notification("key", "incident", f"look at {CROWD}", CROWD), ["oncall"])
    send_notifications(world.platform)
    return repr(world.notifiers["oncall"].got).encode()


def _receive(settings: Settings, clock: FakeClock) -> bytes:
    """Somebody posts what is signed and what is not, and somebody reads the metrics."""
    secret = settings.webhook_secrets[0]
    app = create_app(SqliteInbox(settings.home / "inbox.db"), settings.webhook_secrets, clock, lambda: None)
    served = configured(app, "127.0.0.1", 0).app
    metrics = configured(create_exporter(lambda: f"# {CROWD}\n"), "127.0.0.1", 0).app
    body = json.dumps({"ref": CROWD}).encode()

    async def ask(to: Any, method: str, path: str, headers: dict[str, str], content: bytes = b"") -> bytes:
        transport = httpx.ASGITransport(app=to)
        async with httpx.AsyncClient(transport=transport, base_url="http://receiver") as client:
            answer = await client.request(method, path, headers=headers, content=content)
            return f"{answer.status_code} {dict(answer.headers)}".encode() + answer.content

    async def talk() -> bytes:
        signed = {
            "X-GitHub-Delivery": "d-1",
            "X-GitHub-Event": "push",
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature_of(body, secret),
        }
        async with app.router.lifespan_context(app):
            accepted = await ask(served, "POST", "/webhooks/github", signed, body)
            refused = await ask(served, "POST", "/webhooks/github", {**signed, "X-GitHub-Event": ALL[:9]}, body)
        assert accepted.startswith(b"202")
        return accepted + refused + await ask(metrics, "GET", "/metrics", {})

    return asyncio.run(talk())


def _print(settings: Settings, given: Path) -> bytes:
    """A command prints everything, so do logs, errors that are caught and others, and the command line."""
    (given / "all").write_text(CROWD)
    log = settings.home / "logs" / "command.log"
    script = f"cat {given / 'all'}; cat {given / 'all'} >&2; exit 1"
    completed = _process.run(_process.Command(["sh", "-c", script], settings.home, 20.0, log=log))
    out = io.StringIO()
    handler = logging.FileHandler(settings.home / "logs" / "python.log")
    logging.getLogger().addHandler(handler)
    try:
        logging.getLogger("somebody").warning("it is %s", CROWD)
        try:
            raise ValueError(CROWD)
        except ValueError as error:
            logging.getLogger("somebody").exception("it failed: %s", error)
            with contextlib.redirect_stderr(out):
                sys.excepthook(ValueError, error, error.__traceback__)
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        with masked_streams():
            print(CROWD)
        with pytest.raises(SystemExit):
            main(["show", f"backend@{ALL}"])
    return (out.getvalue() + completed.tail + (completed.failure("sh") or "")).encode()


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traces]:
    folder = tmp_path_factory.mktemp("planted")
    given, home = folder / "given", folder / "home"
    given.mkdir()
    (home / "logs").mkdir(parents=True)
    plain, excepthook = logging.getLogRecordFactory(), sys.excepthook
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in VALUES:
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("SHOPKART_HOME", str(home))
        _plant(given, monkeypatch)
        install()
        try:
            settings = from_environment()
            world = World(
                folder,
                evidence=SqliteEvidenceStore(home / "evidence"),  # type: ignore[arg-type]
                ledger=SqliteLedger(home / "ledger.db"),  # type: ignore[arg-type]
                outbox=SqliteOutbox(home / "outbox.db"),  # type: ignore[arg-type]
                notifications=SqliteNotificationQueue(home / "notifications.db"),  # type: ignore[arg-type]
                incidents=DiskIncidentStore(home / "incidents"),  # type: ignore[arg-type]
            )
            _read_all(settings, given, world.clock)
            traces = Traces(home)
            _run_stages(world, settings)
            traces.outputs["notification"] = _tell_people(world)
            traces.outputs["answers"] = _receive(settings, world.clock)
            traces.outputs["terminal"] = _print(settings, given)
            yield traces
        finally:
            logging.setLogRecordFactory(plain)
            sys.excepthook = excepthook
            KNOWN.forget()


@pytest.mark.parametrize(
    "place",
    [
        "evidence/evidence.db*",
        "evidence/blobs/**/*",
        "ledger.db*",
        "inbox.db*",
        "outbox.db*",
        "notifications.db*",
        "incidents/**/*",
        "dagster/history/runs/*.db*",
        "logs/command.log",
        "logs/python.log",
        "notification",
        "answers",
        "terminal",
    ],
)
def test_no_planted_secret_is_in_what_is_kept_printed_answered_or_sent(traces: Traces, place: str) -> None:
    content = traces.content(place)

    assert found_in(content) == []
    assert any(mark in content for mark in MARKS), f"nothing was taken out of {place}"


def test_no_planted_secret_is_anywhere_else_in_the_home(traces: Traces) -> None:
    files = [path for path in traces.home.rglob("*") if path.is_file()]

    assert len(files) > 10
    assert {str(path): found for path in files if (found := found_in(path.read_bytes()))} == {}


def test_the_search_would_find_each_of_them(traces: Traces) -> None:
    content = (traces.home.parent / "given" / "all").read_bytes()

    assert {found.partition(" ")[0] for found in found_in(content)} == set(VALUES)
