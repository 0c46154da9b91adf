"""A whole world in memory: a platform of fakes, a small declared pipeline, and people who merge and approve.

Tests of services arrange a state with these words, act once, and look at the state that comes out. The engine's part
(deliveries become runs, a run goes stage by stage until one does not pass) is played by `drain` and `run`.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.alertmanager import AlertmanagerReader
from shopkart_pipeline.adapters.cyclonedx_json import CycloneDxJson
from shopkart_pipeline.adapters.github import GitHubForge
from shopkart_pipeline.adapters.osv_book import OsvBook
from shopkart_pipeline.domain.analysis import Analysis, Objective
from shopkart_pipeline.domain.code_host import CodeHostPolicy, Command
from shopkart_pipeline.domain.component import Component, ImageContents, PackageVersion, Place
from shopkart_pipeline.domain.declaration import (
    Approvals,
    Deployment,
    Environment,
    Phase,
    Pipeline,
    Service,
    Source,
    Stage,
    StageKind,
    Workload,
)
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Severity, StageRecord, Tool, ToolRun
from shopkart_pipeline.domain.notification import Channel, ChannelKind, NotificationPolicy
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.domain.roles import Role, Roles
from shopkart_pipeline.domain.rollout import RolloutStep
from shopkart_pipeline.domain.workload import ServiceStatus
from shopkart_pipeline.ports.backups import Backups
from shopkart_pipeline.ports.builder import ApplicationBuilder
from shopkart_pipeline.ports.code_host import CodeHost, CodeHostReader
from shopkart_pipeline.ports.confinement import Confined, NotConfined
from shopkart_pipeline.ports.image_files import ImageFiles
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import Entry
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.approve_release import record_approval, statement_for
from shopkart_pipeline.services.ask_again import ask_again
from shopkart_pipeline.services.own_events import APPROVED, progress
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.report_progress import accepted_commit
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline.services.rollout_document import RolloutDocument, load
from shopkart_pipeline.services.run_stage import StageOutcome, run_stage
from shopkart_pipeline.services.workspace import Workspace
from shopkart_pipeline.spec.waivers import YamlWaivers
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.fake_cluster import FakeCluster, FakeLogs, FakeMetrics
from shopkart_pipeline_tests.fakes.fake_registry import FakeRegistry
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.fake_scm import ANA, FakeSourceControl
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner, FakeVerifier
from shopkart_pipeline_tests.fakes.fake_vitals import FakeVitals
from shopkart_pipeline_tests.fakes.memory_components import MemoryComponentIndex
from shopkart_pipeline_tests.fakes.memory_evidence import MemoryEvidenceStore
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox
from shopkart_pipeline_tests.fakes.memory_incidents import MemoryIncidentStore
from shopkart_pipeline_tests.fakes.memory_ledger import MemoryLedger
from shopkart_pipeline_tests.fakes.memory_notifications import MemoryNotificationQueue, ScriptedNotifier
from shopkart_pipeline_tests.fakes.memory_outbox import MemoryOutbox

MAYA, JONAS = "maya@shopkart.example", "jonas@shopkart.example"
REPOSITORY = "shopkart/storefront"
PRODUCTION, STAGING = "production", "staging"
_TOOL = Tool("fake", "1")
CHANNELS = {
    name: Channel(name, kind)
    for name, kind in (("oncall", ChannelKind.SLACK), ("mail", ChannelKind.SMTP), ("lead", ChannelKind.SLACK))
}
"""`lead` is told when nobody answers."""


def _needing(kind: StageKind, phase: Phase, *needs: str) -> Stage:
    return Stage(kind.value, kind, phase, needs, timeout_seconds=60.0)


STAGES = (
    _needing(StageKind.SOURCE, Phase.CI),
    _needing(StageKind.DEPENDENCIES, Phase.CI, "source"),
    _needing(StageKind.LINT, Phase.CI, "source"),
    _needing(StageKind.UNIT_TESTS, Phase.CI, "dependencies"),
    _needing(StageKind.APPLICATION, Phase.CI, "dependencies"),
    _needing(StageKind.IMAGE, Phase.CI, "application", "lint", "unit_tests"),
    _needing(StageKind.IMAGE_SCAN, Phase.CI, "image"),
    _needing(StageKind.PUBLISHED_IMAGE, Phase.CI, "image"),
    _needing(StageKind.STAGING, Phase.STAGING, "image_scan", "published_image"),
    _needing(StageKind.INTEGRATION_TESTS, Phase.STAGING, "staging"),
    _needing(StageKind.ACCEPTANCE_TESTS, Phase.STAGING, "staging"),
    _needing(StageKind.PRODUCTION, Phase.PRODUCTION, "integration_tests", "acceptance_tests"),
)


def _with_attestations(service: Service) -> Service:
    stages: list[Stage] = []
    for stage in service.stages:
        match stage.kind:
            case StageKind.STAGING:
                stages.append(_needing(StageKind.ATTESTATIONS, Phase.CI, "image_scan", "published_image"))
                stages.append(replace(stage, needs=("attestations",)))
            case StageKind.PRODUCTION:
                stages.append(_needing(StageKind.STAGING_ATTESTATIONS, Phase.STAGING, *stage.needs))
                stages.append(replace(stage, needs=("staging_attestations",)))
            case _:
                stages.append(stage)
    return replace(service, stages=tuple(stages))


def _at_least(stage: str, measure: str, limit: float) -> Gate:
    return Gate(measure, stage, measure, MeasureRule(measure, Comparison.AT_LEAST, limit))


def _at_most(stage: str, measure: str, limit: float) -> Gate:
    return Gate(measure, stage, measure, MeasureRule(measure, Comparison.AT_MOST, limit))


GATES = (
    _at_most("lint", "new_violations", 0),
    _at_most("unit_tests", "failed", 0),
    _at_least("unit_tests", "tests", 1),
    Gate("vulnerabilities", "image_scan", "nothing bad", FindingsRule(Severity.HIGH)),
    _at_least("staging", "released", 1),
    _at_most("integration_tests", "failed", 0),
    _at_most("acceptance_tests", "failed", 0),
    _at_least("production", "released", 1),
)
MEASURES: Mapping[StageKind, Mapping[str, float]] = {
    StageKind.LINT: {"violations": 0, "new_violations": 0, "files": 12},
    StageKind.UNIT_TESTS: {"tests": 40, "failed": 0},
    StageKind.IMAGE_SCAN: {"packages": 31},
    StageKind.INTEGRATION_TESTS: {"tests": 6, "failed": 0},
    StageKind.ACCEPTANCE_TESTS: {"tests": 3, "failed": 0},
}


def a_service(name: str, signers: Path, **details: Any) -> Service:
    """A service that goes through `STAGES` to staging and, with one approval and a canary, to production."""
    staging = Deployment(
        STAGING, replicas=1, steps=(), deadline_seconds=20.0, analysis=Analysis(), objectives=(), approvals=None
    )
    deployments = {
        STAGING: staging,
        PRODUCTION: replace(
            staging,
            environment=PRODUCTION,
            replicas=2,
            steps=(RolloutStep(10, 1.0), RolloutStep(40, 1.0)),
            approvals=Approvals(1, (MAYA, JONAS, ANA.email), signers, expires_after_seconds=3600.0),
            objectives=(Objective("error_ratio", 0.01, 60.0),),
        ),
    }
    return replace(
        Service(
            name=name,
            owners=("team:shop",),
            source=Source(REPOSITORY, "remote", "main", name, ("servicekit",)),
            stages=STAGES,
            gates=GATES,
            workload=Workload(("serve",), "/startup", "/ready", "/live", "/metrics", 10.0, 5.0, 8080, {"PORT": "8080"}),
            deployments=deployments,
        ),
        **details,
    )


class FakeApplicationBuilder(ApplicationBuilder):
    """Makes environments that are empty, and applications that hold the service's own files."""

    name = "fake"

    def __init__(self) -> None:
        self.known: Mapping[str, str] | None = None
        self.lock: Mapping[PackageVersion, Component] = {}
        self.locked_by: bytes | None = None
        """The lock that it was shown last."""
        self.calls: list[str] = []
        self.broken = ""
        """Why it can't install anything now."""

    def inputs(self) -> Mapping[str, str] | None:
        return self.known

    def install(self, service: Service, tree: Path, environment: Path, log: Path, timeout_seconds: float) -> ToolRun:
        self.calls.append("install")
        if self.broken:
            return ToolRun(EvidenceMissing(self.broken, _TOOL))
        environment.mkdir(parents=True, exist_ok=True)
        return ToolRun(Evidence(_TOOL, "installed", {"packages": 3}))

    def build(
        self,
        service: Service,
        tree: Path,
        environment: Path,
        application: Path,
        log: Path,
        timeout_seconds: float,
    ) -> ToolRun:
        self.calls.append("build")
        application.mkdir(parents=True, exist_ok=True)
        folder = tree / service.source.path
        content = {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.py"))}
        (application / "content.json").write_text(json.dumps(content))
        return ToolRun(Evidence(_TOOL, "built", {"files": 1, "size_bytes": 1}))

    def locked(self, service: Service, read: Callable[[str], bytes | None]) -> Mapping[PackageVersion, Component]:
        self.locked_by = read(f"{service.source.path}/requirements.lock")
        return self.lock


@dataclass
class FakeImageFiles(ImageFiles):
    """Knows images without labels, which all consist of the same unless it is told otherwise."""

    components: Mapping[str, tuple[Component, ...]] = field(default_factory=dict[str, tuple[Component, ...]])
    """By digest of the image."""

    def labels(self, layout: Path) -> Mapping[str, str]:
        return {}

    def first_difference(self, recorded: Path, rebuilt: Path) -> str | None:
        return "something"

    def contents(self, layout: Path) -> ImageContents:
        index = layout / "index.json"
        if not index.is_file():
            raise NotFound(f"{layout} is no layout.", "Build the image first.")
        digest = str(json.loads(index.read_text())["manifests"][0]["digest"])
        return ImageContents(digest, None, self.components.get(digest, (a_component(),)))


def a_component(name: str = "starlette", version: str = "0.37.2") -> Component:
    """A Python package that is installed with the application."""
    place = Place(f"app/deps/{name}-{version}.dist-info/METADATA", f"sha256:{'1' * 64}")
    return Component(PackageVersion("PyPI", name, version), f"pkg:pypi/{name}@{version}", (place,), "MIT")


@dataclass
class World:
    """See the module; `platform` is what services are handed."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    scm: FakeSourceControl = field(default_factory=FakeSourceControl)
    inbox: MemoryInbox = field(default_factory=MemoryInbox)
    evidence: MemoryEvidenceStore = field(default_factory=MemoryEvidenceStore)
    incidents: MemoryIncidentStore = field(default_factory=MemoryIncidentStore)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    outbox: MemoryOutbox = field(default_factory=MemoryOutbox)
    notifications: MemoryNotificationQueue = field(default_factory=MemoryNotificationQueue)
    backups: Backups | None = None
    code_host: CodeHost | None = None
    code_reader: CodeHostReader | None = None
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    image_files: FakeImageFiles = field(default_factory=FakeImageFiles)
    components: MemoryComponentIndex = field(default_factory=MemoryComponentIndex)
    builder: FakeBuilder = field(default_factory=FakeBuilder)
    application_builder: FakeApplicationBuilder = field(default_factory=FakeApplicationBuilder)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    logs: FakeLogs = field(default_factory=FakeLogs)
    vitals: FakeVitals = field(default_factory=FakeVitals)
    attestor: FakeAttestor | None = None
    """Who signs statements and verifies them; see `sign_statements`."""
    confinement: Confined | NotConfined = field(default_factory=lambda: Confined("nothing is run"))

    def __post_init__(self) -> None:
        self.metrics = FakeMetrics(self.cluster)
        self.signers = self.folder / "allowed_signers"
        self.signers.write_text(f"{MAYA}\n{JONAS}\n{ANA.email}\nmallory@elsewhere.example\n")
        self.scanners = {
            kind: FakeScanner(result=Evidence(_TOOL, "fine", measures)) for kind, measures in MEASURES.items()
        }
        services = [a_service(name, self.signers) for name in ("backend", "frontend")]
        self.pipeline = Pipeline(
            file=self.folder / "shopkart.yaml",
            digest="sha256:policy",
            services={service.name: service for service in services},
            environments={
                STAGING: Environment(STAGING, Phase.STAGING, "fake"),
                PRODUCTION: Environment(PRODUCTION, Phase.PRODUCTION, "fake"),
            },
            schedules={},
            roles=Roles(dict.fromkeys((Role.APPROVER, Role.OPERATOR), (MAYA, JONAS, ANA.email))),
            allowed_signers=self.signers,
            notifications=NotificationPolicy(CHANNELS, ("oncall", "mail"), 600.0, ("lead",)),
        )
        self.notifiers = {name: ScriptedNotifier() for name in CHANNELS}
        self.tip: str | None = None
        """The commit at the tip of the remote's main branch."""
        self._runs = 0
        self._launched: set[str] = set()

    @property
    def platform(self) -> Platform:
        site = Site(self.cluster, self.metrics, self.logs, self.vitals)
        return Platform(
            pipeline=self.pipeline,
            workspace=Workspace(self.folder / "home"),
            clock=self.clock,
            scm=self.scm,
            forge=GitHubForge(),
            alert_reader=AlertmanagerReader(),
            inbox=self.inbox,
            evidence=self.evidence,
            incidents=self.incidents,
            ledger=self.ledger,
            verifier=FakeVerifier(),
            waivers=YamlWaivers(),
            registry=self.registry,
            image_files=self.image_files,
            bills=CycloneDxJson(),
            components=self.components,
            advisories=OsvBook(self.folder / "kept-advisories"),
            application_builder=self.application_builder,
            image_builders=(self.builder,),
            scanners={kind: (scanner,) for kind, scanner in self.scanners.items()},
            sites={STAGING: site, PRODUCTION: site},
            outbox=self.outbox,
            notifications=self.notifications,
            notifiers=self.notifiers,
            backups=self.backups,
            code_host=self.code_host,
            code_reader=self.code_reader,
            attestor=self.attestor,
            envelopes=self.attestor,
            confinement=lambda: self.confinement,
            public_url="https://pipeline.example",
        )

    # What people do.

    def commit(self, files: Mapping[str, str] | None = None, *, author: Person = ANA, message: str = "change") -> str:
        """A commit on the remote's main branch; every one is different."""
        self.clock.advance(1)
        changed = files or {"backend/app.py": f"version = '{self.clock.now().isoformat()}'\n"}
        content = {path: text.encode() for path, text in changed.items()}
        self.tip = self.scm.add(content, author=author, message=message, committed_at=self.clock.now())
        return self.tip

    def push(self, sha: str, previous: str | None = None, **details: Any) -> Delivery:
        """The push of a commit arrives in the inbox."""
        delivery = self.delivery(sha, previous, **details)
        self.inbox.put(delivery)
        return delivery

    def delivery(self, sha: str, previous: str | None = None, **details: Any) -> Delivery:
        """The push of a commit, as GitHub tells it."""
        body = {
            "ref": "refs/heads/main",
            "before": previous or "0" * 40,
            "after": sha,
            "repository": {"full_name": REPOSITORY},
            "sender": {"login": "ana"},
        }
        identity = f"{sha[:12]}-{self.clock.now().timestamp():.0f}"
        return Delivery(identity, "push", self.clock.now(), json.dumps(body | details).encode())

    def merge(self, files: Mapping[str, str] | None = None, **details: Any) -> Release:
        """A change is committed and pushed, and has become a release of the backend."""
        before, sha = self.tip, self.commit(files, **details)
        accepted = accept(self.platform, self.delivery(sha, before))
        accepted_commit(self.platform, accepted)
        [key] = {request.release_key for request in accepted.requests}
        return self.evidence.release("backend", key)

    def propose(self, number: int = 7, files: Mapping[str, str] | None = None, **details: Any) -> str:
        """One more commit on the branch of a pull request, which starts where main is; every one is different."""
        self.clock.advance(1)
        changed = files or {"backend/app.py": f"proposed = '{self.clock.now().isoformat()}'\n"}
        content = {path: text.encode() for path, text in changed.items()}
        sha = self.scm.add(content, branch=f"proposed-{number}", committed_at=self.clock.now(), **details)
        self.scm.propose(number, sha)
        return sha

    def pull_request(self, sha: str, action: str = "opened", number: int = 7, **details: Any) -> Delivery:
        """What GitHub tells of a pull request, put into the inbox: its head, and what was done."""
        self.clock.advance(1)
        base = {"ref": "main", "sha": self.tip}
        body: dict[str, Any] = {
            "action": action,
            "number": number,
            "pull_request": {
                "base": base,
                "head": {"sha": sha, "repo": {"full_name": REPOSITORY}},
                "merged": False,
                "updated_at": self.clock.now().isoformat(),
                **details,
            },
            "repository": {"full_name": REPOSITORY},
            "sender": {"login": "ana"},
        }
        identity = f"{action}-{sha[:12]}-{self.clock.now().timestamp():.0f}"
        delivery = Delivery(identity, "pull_request", self.clock.now(), json.dumps(body).encode())
        self.inbox.put(delivery)
        return delivery

    def proposed(self, number: int = 7, files: Mapping[str, str] | None = None, **details: Any) -> Release:
        """A pull request was opened, and its head has become a proposed release of the backend."""
        delivery = self.pull_request(self.propose(number, files), number=number, **details)
        accepted = accept(self.platform, delivery)
        accepted_commit(self.platform, accepted)
        [request] = accepted.requests
        return self.evidence.release("backend", request.release_key)

    def know_people(self, **commands: tuple[str, ...]) -> None:
        """GitHub is declared: logins are the people's first names, and these people may use these commands."""
        people = {"maya": MAYA, "jonas": JONAS, "ana": ANA.email}
        policy = CodeHostPolicy(people=people, commands={Command(name): who for name, who in commands.items()})
        self.pipeline = replace(self.pipeline, code_host=policy)

    def merged(self, number: int = 7, files: Mapping[str, str] | None = None, **details: Any) -> Release:
        """A pull request was opened and merged, and its merge has become a release of the backend."""
        self.drain()
        head = self.propose(number, files, **details)
        self.pull_request(head, number=number)
        before, sha = self.tip, self.commit(files, **details)
        self.push(sha, before)
        self.pull_request(head, "closed", number, merged=True, merge_commit_sha=sha)
        [key] = {request.release_key for request in self.drain() if request.pull_request is None}
        return self.evidence.release("backend", key)

    def comment(self, text: str, login: str = "maya", number: int = 7, **details: Any) -> Delivery:
        """Somebody writes a comment at a pull request, and GitHub's event about it is put into the inbox."""
        self.clock.advance(2)
        user = {"login": login, "type": "User"}
        moment = self.clock.now()
        body: dict[str, Any] = {
            "action": "created",
            "issue": {"number": number, "pull_request": {}},
            "comment": {
                "user": user,
                "body": text,
                "html_url": f"https://github.example/{REPOSITORY}/pull/{number}#issuecomment-{moment.timestamp():.0f}",
                "created_at": moment.replace(microsecond=0).isoformat(),
                **details,
            },
            "repository": {"full_name": REPOSITORY},
            "sender": user,
        }
        identity = f"comment-{login}-{moment.timestamp():.0f}"
        delivery = Delivery(identity, "issue_comment", moment, json.dumps(body).encode())
        self.inbox.put(delivery)
        return delivery

    def approve(self, release: Release, by: str = MAYA) -> Entry:
        """Somebody signs the statement about a release as it stands, and the pipeline is told."""
        platform = self.platform
        statement = statement_for(platform, release, self.clock.now())
        entry = record_approval(platform, release, statement, FakeSigner(by).sign(statement.to_bytes()))
        self.inbox.put(progress(APPROVED, release, Phase.PRODUCTION, entry.entry_hash, platform))
        return entry

    def declare(self, service: str, change: Callable[[Service], Service]) -> None:
        """The declaration is changed for one service."""
        changed = change(self.pipeline.services[service])
        self.pipeline = replace(self.pipeline, services={**self.pipeline.services, service: changed})

    def sign_statements(self) -> FakeAttestor:
        """From now on every service has the stages that sign, and somebody signs."""
        for name in self.pipeline.services:
            self.declare(name, _with_attestations)
        self.attestor = FakeAttestor()
        return self.attestor

    def let_inputs_be_known(self, version: str = "1") -> None:
        """From now on every tool can tell what its results depend on, so that they may be reused."""
        for tool in (*self.scanners.values(), self.builder, self.application_builder):
            tool.known = {"version": version}

    def worked(self) -> int:
        """How often a tool ran so far."""
        scans = sum(len(scanner.requests) for scanner in self.scanners.values())
        return scans + len(self.builder.requests) + len(self.application_builder.calls)

    # What the engine does.

    def stage(self, release: Release, stage: str, run_id: str | None = None, *, reuse: bool = True) -> StageOutcome:
        """One stage runs, in a run of its own unless one is named."""
        self._runs += 1
        self.clock.advance(0.1)
        return run_stage(self.platform, release, stage, run_id or f"run-{self._runs}", reuse=reuse)

    def run(self, release: Release, phase: Phase, stages: Collection[str] = ()) -> list[StageOutcome]:
        """One run of a phase, or of some stages of it: stage by stage, until one is refused or does not pass."""
        self._runs += 1
        run_id, outcomes = f"run-{self._runs}", list[StageOutcome]()
        for stage in self.pipeline.services[release.service].stages_of(phase):
            if stages and stage.name not in stages:
                continue
            try:
                outcomes.append(self.stage(release, stage.name, run_id))
            except Refused:
                break
        return outcomes

    def drain(self) -> list[RunRequest]:
        """Deliveries become requests, each once, as the sensor would make them."""
        requests: list[RunRequest] = []
        for delivery in self.inbox.pending():
            accepted = accept(self.platform, delivery)
            accepted_commit(self.platform, accepted)
            requests += [request for request in accepted.requests if request.key not in self._launched]
            self._launched |= {request.key for request in accepted.requests}
            self.inbox.done(delivery.id, accepted.outcome, self.clock.now())
        return requests

    def ask_again(self) -> list[RunRequest]:
        """What waited is looked at once, as the sensor does; returns the runs that are made by it."""
        asked: list[RunRequest] = []
        ask_again(self.platform, asked.append)
        fresh = [request for request in asked if request.key not in self._launched]
        self._launched |= {request.key for request in asked}
        return fresh

    def play(self) -> list[RunRequest]:
        """Go on by itself until nothing is left to do; returns the runs that were made."""
        made: list[RunRequest] = []
        while requests := self.drain():
            for request in requests:
                made.append(request)
                release = self.evidence.release(request.service, request.release_key)
                self.run(release, request.phase, request.stages)
        return made

    # Short ways to states that tests begin with.

    def ready(self, **details: Any) -> Release:
        """A release that has passed everything before production and awaits approval."""
        release = self.merge(**details)
        for phase in (Phase.CI, Phase.STAGING):
            self.run(release, phase)
        return release

    def approved(self, **details: Any) -> Release:
        """A release that may go to production."""
        release = self.ready(**details)
        self.approve(release)
        return release

    def released(self, **details: Any) -> Release:
        """A release that runs in production."""
        release = self.approved(**details)
        assert self.stage(release, "production").passed
        return release

    # What is there to see.

    def record(self, release: Release, stage: str) -> StageRecord:
        return self.evidence.latest(release.service, release.key)[stage]

    def digest(self, release: Release) -> str:
        """Digest of a release's image."""
        result = self.record(release, "image").result
        assert isinstance(result, Evidence)
        return result.facts["digest"]

    def observe(self, environment: str = PRODUCTION, service: str = "backend") -> ServiceStatus:
        return self.cluster.observe(environment, service)

    def rollout(self, environment: str = PRODUCTION, service: str = "backend") -> RolloutDocument:
        document = load(self.cluster.load_rollout(environment, service))
        assert document is not None
        return document

    def verbs(self, environment: str = PRODUCTION) -> list[tuple[str, str]]:
        """What the ledger says was done in an environment: verb and release."""
        entries = [entry.act for entry in self.ledger.entries("backend")]
        return [(act.verb, act.release_key) for act in entries if act.body.get("environment") == environment]
