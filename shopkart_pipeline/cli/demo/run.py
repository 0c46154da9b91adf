"""The demo, from an empty home to a summary.

The stack is started, the shop's present version is taken over, customers come, and four changes are merged one after
another; each merge is posted to the receiver as GitHub would, and from there the pipeline acts by itself. The demo's
only other act is the approver's: signing the statement about a release that waits for it.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.adapters.local_cluster import wait_ready
from shopkart_pipeline.adapters.ssh_signature import SshSigner, create_key
from shopkart_pipeline.cli.approve import approve
from shopkart_pipeline.cli.demo.outcome import faults_of, print_summary
from shopkart_pipeline.cli.demo.repository import DemoRepository, Merge, post_webhook
from shopkart_pipeline.cli.demo.respond import respond
from shopkart_pipeline.cli.demo.story import Change, planted_secrets, read_story
from shopkart_pipeline.cli.demo.watch import Watcher
from shopkart_pipeline.cli.report import (
    UNDER_WAY,
    incident_report,
    is_settled,
    release_report,
    verdict_of,
)
from shopkart_pipeline.cli.stack import (
    Stack,
    end_leftovers,
    free_port,
    start_daemon,
    start_engine,
    start_platform,
    start_receiver,
    start_signer,
    wait_for_engine,
    wait_for_port,
)
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.services.approve_release import valid_approvals
from shopkart_pipeline.services.authenticate import Credentials, authenticate, request
from shopkart_pipeline.services.bootstrap_environment import build_present_version, take_over
from shopkart_pipeline.services.judge_release import judge_release, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import Settings, from_environment, webhook_secrets_of
from shopkart_pipeline.wiring import build_platform

SERVICE = "backend"
RELEASE_DEADLINE_SECONDS = 180.0
_LOOK_SECONDS = 0.2
_RESPONSE_SECONDS = 60.0
_MARKER = "made-by-shopkart-demo"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what happened as JSON to this file")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 only if the story went exactly as it should."""
    settings = replace(from_environment(), receiver_port=free_port())
    console = Console(soft_wrap=True, highlight=False)
    empty_home(settings)
    demo = Demo(settings, console, read_story())
    try:
        document = demo.play()
    finally:
        demo.stop()
    if options.json:
        options.json.write_text(json.dumps(document, indent=2))
    print_summary(console, document)
    for fault in document["faults"]:
        console.print(f"[bold red]not as it should be:[/] {fault}")
    if not document["faults"]:
        console.print(
            "[bold green]The story went exactly as it should.[/] `shopkart up` shows it in the web interface."
        )
    return 1 if document["faults"] else 0


def empty_home(settings: Settings) -> None:
    """A story begins anew each time, in a home of its own making; anybody else's home is left alone."""
    home = settings.home
    end_leftovers(settings)
    if home.exists() and any(home.iterdir()) and not (home / _MARKER).exists():
        raise PipelineError(
            f"{home} holds something that the demo did not make.", "Name another folder in SHOPKART_HOME."
        )
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    (home / _MARKER).touch()


class Demo:
    """One run of the story."""

    def __init__(
        self, settings: Settings, console: Console, story: Sequence[Change], present: Sequence[Change] = ()
    ) -> None:
        """Changes of `present` are part of what runs before the `story` begins."""
        self._settings, self._console = settings, console
        self._stack = Stack(settings)
        self._story, self._present = story, present
        self._on_call = ThreadPoolExecutor(1, "on-call")
        self._responses: list[Future[Incident]] = []
        self._approver_key = settings.home / "demo" / "approver"
        self._traffic: Background | None = None
        self._traffic_file = settings.home / "demo" / "traffic.json"

    def play(self) -> dict[str, Any]:
        """From nothing to the document about all that happened."""
        self._write_signers()
        platform = build_platform(self._settings)
        began = platform.clock.now()
        repository, first = self._create_repository(platform, began)
        self._prepare(platform, first)
        self._say(platform, began, "the shop is up; customers come in")
        self._start_traffic(platform)
        releases = [self._release(platform, repository, number, change) for number, change in enumerate(self._story, 1)]
        refused = self._refusals()
        self._stop_traffic()
        document = self._document(platform, releases, began)
        document["faults"] += refused
        return document

    def _refusals(self) -> list[str]:
        """How whoever was on call was refused, such as to close what is not over."""
        failures = (response.exception(_RESPONSE_SECONDS) for response in self._responses)
        return [f"nobody could close an incident: {failure}" for failure in failures if failure is not None]

    def stop(self) -> None:
        self._on_call.shutdown(wait=True, cancel_futures=True)
        self._stop_traffic()
        self._stack.stop()

    def _write_signers(self) -> None:
        """The approver's key, and the list of people whose approval is accepted."""
        signers = self._settings.home / "trust" / "allowed_signers"
        signers.parent.mkdir(parents=True)
        signers.write_text(create_key(self._approver_key, self._story[0].reviewer))

    def _create_repository(self, platform: Platform, now: datetime) -> tuple[DemoRepository, str]:
        source = platform.service(SERVICE).source
        clone = self._settings.home / "demo" / "clone"
        repository = DemoRepository(Path(source.remote), clone, source.repository, source.branch)
        first = repository.create(now)
        for change in self._present:
            first = repository.merge(change, planted_secrets(), now.replace(microsecond=0)).after
        return repository, first

    def _prepare(self, platform: Platform, first: str) -> None:
        """Start everything, and take over the present version of each service meanwhile."""
        webhook_secrets_of(self._settings)
        start_signer(self._stack)
        start_platform(self._stack)
        start_engine(self._stack)
        with ThreadPoolExecutor() as pool:
            built = [
                pool.submit(build_present_version, platform, name, first, "shop-team")
                for name in platform.pipeline.services
            ]
            wait_ready(self._settings.home, 60, platform.clock)
            wait_for_engine(self._stack)
            start_receiver(self._stack)
            start_daemon(self._stack)
            for future in built:
                take_over(platform, *future.result())
        wait_for_port(self._stack, self._settings.receiver_port)

    def _release(self, platform: Platform, repository: DemoRepository, number: int, change: Change) -> Release:
        self._console.print(
            f"\n[bold]{number}. {change.title}[/]  (pull request #{change.number}, {change.author_name})"
        )
        merge = repository.merge(change, planted_secrets(), platform.clock.now().replace(microsecond=0))
        self._post(platform, repository, merge)
        release = self._follow(platform, self._await_release(platform, merge))
        self._have_somebody_respond(platform)
        return release

    def _have_somebody_respond(self, platform: Platform) -> None:
        """The approver is on call, too, and works on incidents while the team goes on."""
        for incident in platform.incidents.list():
            if incident.is_open and incident.acknowledged_at is None:
                self._responses.append(self._on_call.submit(self._respond, platform, incident))

    def _respond(self, platform: Platform, incident: Incident) -> Incident:
        act = request(platform, Verb.HANDLE_INCIDENT, incident.service, incident=incident.id)
        actor = authenticate(platform, act, Credentials(SshSigner(self._approver_key)))
        return respond(platform, incident.id, actor)

    def _post(self, platform: Platform, repository: DemoRepository, merge: Merge) -> None:
        address = f"http://127.0.0.1:{self._settings.receiver_port}/webhooks/github"
        secret = webhook_secrets_of(self._settings)[0]
        status = post_webhook(address, merge.delivery_id, repository.payload(merge), secret)
        if status != 202:
            raise PipelineError(f"The receiver answered {status} to the webhook.", "See its log in the home.")

    def _await_release(self, platform: Platform, merge: Merge) -> Release:
        deadline = platform.clock.now().timestamp() + RELEASE_DEADLINE_SECONDS
        while platform.clock.now().timestamp() < deadline:
            self._stack.check()
            for release in platform.evidence.releases(SERVICE, 1):
                if release.sha == merge.after:
                    return release
            platform.clock.sleep(_LOOK_SECONDS)
        key = release_key(merge.after, merge.merged_at)
        raise PipelineError(f"The merge did not become the release {key}.", "See the logs of engine and daemon.")

    def _follow(self, platform: Platform, release: Release) -> Release:
        """Look on until the release has ended; approve it when it waits for that."""
        deadline = platform.clock.now().timestamp() + RELEASE_DEADLINE_SECONDS
        with Live(console=self._console, transient=True, auto_refresh=False) as live:
            watcher = Watcher(self._console, live, platform, release)
            while platform.clock.now().timestamp() < deadline:
                self._stack.check()
                watcher.look(platform.clock.now())
                live.refresh()
                self._approve_if_awaited(platform, release)
                if verdict_of(platform, release) != UNDER_WAY and is_settled(platform, release):
                    watcher.look(platform.clock.now())
                    break
                platform.clock.sleep(_LOOK_SECONDS)
        return release

    def _approve_if_awaited(self, platform: Platform, release: Release) -> None:
        service = platform.service(release.service)
        deployment = platform.deployment_of(service, Phase.PRODUCTION)
        stages = phases_before(service, Phase.PRODUCTION)
        if deployment.approvals is None or valid_approvals(platform, release, deployment):
            return
        if judge_release(platform, release, stages).outcome is Outcome.PASS:
            entry = approve(platform, release, self._approver_key)
            ring(self._settings.dagster_home)
            at = (platform.clock.now() - release.received_at).total_seconds()
            self._console.print(f"  {at:5.1f}s [green]✔[/] approval                    [dim]{entry.act.actor}[/]")

    def _start_traffic(self, platform: Platform) -> None:
        environment = platform.environment_of(Phase.PRODUCTION).name
        url = platform.sites[environment].cluster.observe(environment, SERVICE).url
        arguments = [sys.executable, "-m", "shopkart_pipeline.cli.demo.traffic", url, str(self._traffic_file)]
        log = self._settings.home / "logs" / "processes" / "traffic.log"
        self._traffic = Background("traffic", arguments, {"PYTHONUNBUFFERED": "1"}, log)

    def _stop_traffic(self) -> None:
        if self._traffic is not None:
            self._traffic.stop(35)
            self._traffic = None

    def _say(self, platform: Platform, began: datetime, words: str) -> None:
        self._console.print(f"{(platform.clock.now() - began).total_seconds():.1f}s: {words}")

    def _document(self, platform: Platform, releases: list[Release], began: datetime) -> dict[str, Any]:
        now = platform.clock.now()
        document: dict[str, Any] = {
            "began_at": began.isoformat(),
            "seconds": (now - began).total_seconds(),
            "releases": [_with_seconds(release_report(platform, release)) for release in releases],
            "incidents": [
                incident_report(incident) | {"postmortem": self._postmortem(incident.id)}
                for incident in platform.incidents.list()
            ],
            "traffic": json.loads(self._traffic_file.read_text()),
            "ledger": platform.ledger.verify() or "whole",
        }
        document["faults"] = faults_of(document, [change.expected for change in self._story])
        return document

    def _postmortem(self, incident_id: str) -> str:
        return str(self._settings.home / "incidents" / incident_id / "postmortem.md")


def _with_seconds(report: dict[str, Any]) -> dict[str, Any]:
    """From the webhook to the end of the last stage."""
    ends = [stage["finished_at"] for stage in report["stages"] if "finished_at" in stage]
    begin = datetime.fromisoformat(report["received_at"])
    end = max((datetime.fromisoformat(each) for each in ends), default=begin)
    return report | {"seconds": (end - begin).total_seconds()}
