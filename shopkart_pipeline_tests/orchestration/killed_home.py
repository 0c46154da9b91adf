"""A pipeline of real processes with everything of Dagster's, the inbox and the ledger in a real PostgreSQL; one kills
what one likes, and looks at what became of the release."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil
import psycopg
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from dagster import AssetRecordsFilter, DagsterInstance, RunsFilter
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as Status

from shopkart_pipeline.cli.approve import approve
from shopkart_pipeline.cli.bench.repository import BenchRepository, Pushed
from shopkart_pipeline.cli.demo.repository import post_webhook
from shopkart_pipeline.cli.stack import (
    ROOT,
    Stack,
    free_port,
    start_daemon,
    start_engine,
    start_receiver,
    start_web,
    wait_for_engine,
    wait_for_port,
)
from shopkart_pipeline.cli.supervision import Supervision
from shopkart_pipeline.defs.keys import RELEASE_TAG, asset_key
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.engine.web_options import WebOptions
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.verify_ledger import verify_ledger
from shopkart_pipeline.settings import Settings, from_environment, webhook_secrets_of
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.postgres_storage import packages
from shopkart_pipeline_tests.pipeline_installation import files

MODULE = "shopkart_pipeline_tests.orchestration.killed_definitions"
SERVICE, REPOSITORY, MAYA = "shop", "kills/services", "maya@shopkart.example"
DECLARATION = f"""
version: 1
defaults:
  owners: [team:kills]
  source: {{repository: {REPOSITORY}, remote: "{{home}}/git/{{repository}}.git", path: "{{service}}"}}
  workload: {{command: [python, -m, nothing]}}
  stages:
    attestations: {{disabled: nobody signs here}}
    staging_attestations: {{disabled: nobody signs here}}
    acceptance_tests: {{disabled: the integration tests are enough}}
    compatibility: {{disabled: nothing is kept}}
  environments:
    staging: {{deadline: 60s}}
    production:
      replicas: 2
      deadline: 60s
      canary: [{{weight: 10, bake: 4s}}]
      approvals: {{required: 1, approvers: [{MAYA}]}}
services:
  {SERVICE}: {{}}
environments:
  staging: {{platform: local}}
  production: {{platform: local}}
roles: {{approver: [{MAYA}]}}
trust: {{allowed_signers: "{{home}}/trust/allowed_signers"}}
"""
_PATIENCE_SECONDS = 240.0


def wait_for(what: str, look: Callable[[], Any], seconds: float = _PATIENCE_SECONDS) -> Any:
    """What `look` gives, once that is true; what can't be asked just now is asked again."""
    deadline, error = time.monotonic() + seconds, None
    while time.monotonic() < deadline:
        try:
            if seen := look():
                return seen
        except Exception as failed:
            error = failed
        time.sleep(0.05)
    raise AssertionError(f"waited for {what} for {seconds:.0f} s in vain ({error})")


@dataclass
class KilledHome:
    """The processes, and what is known of them."""

    settings: Settings
    stack: Stack
    postgres: Postgres
    platform: Platform
    repository: BenchRepository
    key: Path
    told: list[str] = field(default_factory=list[str])
    """What the supervision said."""
    _changes: int = 0

    @cached_property
    def instance(self) -> DagsterInstance:
        return DagsterInstance.from_config(str(self.settings.dagster_home))

    # What one does.

    def push(self) -> Pushed:
        self._changes += 1
        return self.repository.push(f"Change {self._changes}", {f"{SERVICE}/app.txt": f"{self._changes}\n"})

    def post(self, pushed: Pushed) -> int:
        """Tell the receiver until it has acknowledged; returns how often it had to be told."""
        address = f"http://127.0.0.1:{self.settings.receiver_port}/webhooks/github"
        [secret, *_] = webhook_secrets_of(self.settings)
        for attempt in range(1, 400):
            try:
                if post_webhook(address, pushed.delivery_id, pushed.body, secret) == 202:
                    return attempt
            except OSError:
                pass
            time.sleep(0.25)
        raise AssertionError("the receiver never acknowledged")

    def hold(self, stage: str) -> None:
        (self.settings.home / "hold" / f"{stage}.reached").unlink(missing_ok=True)
        (self.settings.home / "hold" / stage).touch()

    def wait_until_reached(self, stage: str) -> None:
        wait_for(f"{stage} to be at work", (self.settings.home / "hold" / f"{stage}.reached").exists)

    def let_go(self, stage: str) -> None:
        (self.settings.home / "hold" / stage).unlink()

    def approve(self, release: Release) -> None:
        approve(self.platform, release, self.key)
        ring(self.settings.dagster_home)

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(next(each.pid for each in self.stack.processes if each.name == name))

    def kill(self, name: str) -> None:
        process = self.process(name)
        process.kill()
        wait_for(f"another {name}", lambda: self.process(name).pid != process.pid)

    def kill_code_servers(self) -> int:
        """The gRPC servers that the daemon and the web interface have."""
        found = [
            child
            for name in ("daemon", "web")
            for child in self.process(name).children(recursive=True)
            if "grpc" in " ".join(child.cmdline())
        ]
        for child in found:
            child.kill()
        return len(found)

    def kill_connections(self) -> int:
        """End every other connection to the database, as its administrator would."""
        address = self.postgres.address(self.postgres.password)
        with psycopg.connect(address, autocommit=True) as connection:
            others = b"FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            return len(connection.execute(b"SELECT pg_terminate_backend(pid) " + others).fetchall())

    # What there is to see.

    def release_of(self, pushed: Pushed) -> Release:
        return wait_for(
            "the release",
            lambda: next(each for each in self.platform.evidence.releases(SERVICE) if each.sha == pushed.sha),
        )

    def records(self, release: Release) -> dict[str, list[StageRecord]]:
        """Every attempt that has finished, by stage."""
        found: dict[str, list[StageRecord]] = {}
        for _, record in self.platform.evidence.finished_after(0, 10_000):
            if (record.service, record.release_key) == (SERVICE, release.key):
                found.setdefault(record.stage, []).append(record)
        return found

    def effects(self) -> list[str]:
        """What was asked of the cluster, in order."""
        cluster: Any = self.platform.sites["production"].cluster
        with cluster.opened() as (inner, _):
            return list(inner.effects)

    def answer_of_web(self) -> Any:
        query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name jobs { name } } } } }"
        address = f"http://127.0.0.1:{self.settings.web_port}/graphql"
        return httpx.post(address, json={"query": query}, timeout=20).json()["data"]["repositoriesOrError"]["nodes"]

    def assert_it_ended_right(self, release: Release) -> None:
        """Once for everything: a verdict for each stage, a run for each phase, one rollout, all of it in Dagster."""
        service = self.platform.pipeline.services[SERVICE]
        stages = [stage.name for stage in service.stages]
        attempts = {stage: len(records) for stage, records in self.records(release).items()}
        assert attempts == dict.fromkeys(stages, 1), "one attempt of each stage"
        wait_for("the runs' end", lambda: all(run.is_finished for run in self._runs(release)))
        runs = Counter((run.job_name, run.status.value) for run in self._runs(release))
        assert runs == Counter((f"{SERVICE}_{phase}", "SUCCESS") for phase in ("ci", "staging", "production"))
        for stage in stages:
            records_filter = AssetRecordsFilter(asset_key(SERVICE, stage), asset_partitions=[release.key])
            assert len(self.instance.fetch_materializations(records_filter, limit=9).records) == 1, stage
        self._assert_checks(release)
        digest = self.platform.evidence.latest(SERVICE, release.key)["image"].result.facts["digest"]  # type: ignore[union-attr]
        rolled = [each for each in self.effects() if "production" in each and digest in each and "apply" in each]
        assert len(rolled) == len(set(rolled)), "nothing was put into production twice"
        acts = [entry.act for entry in self.platform.ledger.entries(SERVICE) if entry.act.release_key == release.key]
        told = Counter((act.verb, act.body.get("environment")) for act in acts)
        assert (told["promote", "staging"], told["promote", "production"]) == (1, 1), told
        assert "roll_back" not in {act.verb for act in acts}, told
        assert verify_ledger(self.platform.ledger, None).fault is None
        assert self.platform.inbox.waiting() == 0
        status = self.platform.sites["production"].cluster.observe("production", SERVICE)
        assert status.stable is not None
        assert status.stable.spec.digest == digest
        assert status.canary_weight_percent == 0

    def _runs(self, release: Release) -> list[Any]:
        return list(self.instance.get_runs(RunsFilter(tags={RELEASE_TAG: f"{SERVICE}@{release.key}"})))

    def _assert_checks(self, release: Release) -> None:
        """Each gate of each stage was told once; what the declaration leaves out is yellow."""
        from shopkart_pipeline_tests.orchestration.killed_definitions import defs

        stages = {asset_key(SERVICE, stage.name) for stage in self.platform.pipeline.services[SERVICE].stages}
        ours = {run.run_id for run in self._runs(release)}
        for key in defs.get_repository_def().asset_graph.asset_check_keys:
            if key.asset_key in stages:
                history = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=50)
                told = [each.status for each in history if each.run_id in ours]
                is_left_out = key.name.startswith("skipped_")
                assert told == [Status.FAILED if is_left_out else Status.SUCCEEDED], (key, told)


@contextmanager
def killed_home(home: Path, postgres: Postgres) -> Generator[KilledHome]:
    """The pipeline at work, supervised as `shopkart up` does it."""
    (home / "trust").mkdir(parents=True)
    (home / "hold").mkdir()
    key = Ed25519PrivateKey.generate()
    ssh = serialization.PrivateFormat.OpenSSH
    (home / "maya").write_bytes(key.private_bytes(serialization.Encoding.PEM, ssh, serialization.NoEncryption()))
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    (home / "trust" / "allowed_signers").write_text(f'{MAYA} namespaces="shopkart-approval" {public}\n')
    (home / "shopkart.yaml").write_text(DECLARATION)
    with pytest.MonkeyPatch.context() as patched:
        _environment(patched, home, postgres)
        settings = replace(from_environment(), receiver_port=free_port(), web_port=free_port())
        _configure(settings, postgres)
        from shopkart_pipeline_tests.orchestration.killed_platform import killed_platform

        clone = BenchRepository(home / "git" / f"{REPOSITORY}.git", home / "clone", REPOSITORY)
        stack = Stack(settings)
        killed = KilledHome(settings, stack, postgres, killed_platform(home), clone, home / "maya")
        done = threading.Event()
        watching = threading.Thread(target=_supervise, args=(killed, done))
        try:
            start_engine(stack, ServerOptions(MODULE))
            wait_for_engine(stack)
            start_receiver(stack)
            start_daemon(stack, home / "workspace.yaml")
            start_web(stack, WebOptions("127.0.0.1", settings.web_port, workspace=home / "workspace.yaml"))
            wait_for_port(stack, settings.receiver_port)
            wait_for_port(stack, settings.web_port)
            watching.start()
            yield killed
        finally:
            done.set()
            if watching.ident:
                watching.join()
            stack.stop()
            if "instance" in vars(killed):
                killed.instance.dispose()


def _supervise(killed: KilledHome, done: threading.Event) -> None:
    supervision = Supervision(killed.stack)
    while not done.wait(0.1):
        killed.told += supervision.look()


def _environment(patched: pytest.MonkeyPatch, home: Path, postgres: Postgres) -> None:
    address = urlsplit(postgres.address())
    patched.syspath_prepend(packages())
    for name, value in {
        "SHOPKART_HOME": str(home),
        "SHOPKART_DECLARATION": str(home / "shopkart.yaml"),
        "SHOPKART_INBOX": postgres.address(),
        "SHOPKART_LEDGER": postgres.address(),
        "SHOPKART_DAGSTER_DB_HOST": str(address.hostname),
        "SHOPKART_DAGSTER_DB_NAME": address.path[1:],
        "SHOPKART_DAGSTER_DB_USER": str(address.username),
        "SHOPKART_DAGSTER_DB_PASSWORD": postgres.password,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(packages())]),
    }.items():
        patched.setenv(name, value)


def _configure(settings: Settings, postgres: Postgres) -> None:
    """The shipped configuration with the cluster's storage."""
    address = urlsplit(postgres.address())
    storage = yaml.safe_load(files()["dagster.yaml"])["storage"]
    params = {"options": parse_qs(address.query)["options"][0]}
    storage["custom"]["config"]["postgres_db"] |= {"port": address.port, "params": params}
    settings.dagster_home.mkdir(parents=True)
    for name, folder in (("dagster.yaml", settings.dagster_home), ("workspace.yaml", settings.home)):
        shipped = (ROOT / name).read_text().replace("shopkart_pipeline.definitions", MODULE)
        extra = yaml.safe_dump({"storage": storage}) if name == "dagster.yaml" else ""
        (folder / name).write_text(f"{shipped}\n{extra}")
