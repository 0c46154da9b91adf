"""The ports that use cases are handed, chosen once by `wiring`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Pipeline, Service, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.step_pods import StepPodPlace
from shopkart_pipeline.ports.advisory_book import AdvisoryBook
from shopkart_pipeline.ports.alert_reader import AlertReader
from shopkart_pipeline.ports.attestor import Attestor, EnvelopeVerifier
from shopkart_pipeline.ports.backups import Backups
from shopkart_pipeline.ports.bill_format import BillFormat
from shopkart_pipeline.ports.builder import ApplicationBuilder, ImageBuilder
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.code_host import CodeHost, CodeHostReader
from shopkart_pipeline.ports.component_index import ComponentIndex
from shopkart_pipeline.ports.confinement import Confined, NotConfined
from shopkart_pipeline.ports.evidence_store import EvidenceStore
from shopkart_pipeline.ports.forge import Forge
from shopkart_pipeline.ports.image_files import ImageFiles
from shopkart_pipeline.ports.inbox import Inbox
from shopkart_pipeline.ports.incident_store import IncidentStore
from shopkart_pipeline.ports.ledger import Ledger
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor
from shopkart_pipeline.ports.manifest_source import ManifestSource
from shopkart_pipeline.ports.notifier import NotificationQueue, Notifier
from shopkart_pipeline.ports.outbox import Outbox
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.ports.scanner import Scanner
from shopkart_pipeline.ports.scm import SourceControl
from shopkart_pipeline.ports.signer import SignatureVerifier
from shopkart_pipeline.ports.telemetry import Logs, Metrics
from shopkart_pipeline.ports.vitals import NoVitals, Vitals
from shopkart_pipeline.ports.waivers import WaiverReader
from shopkart_pipeline.services.workspace import Workspace


@dataclass(frozen=True)
class Site:
    """What reaches one environment: its cluster, and what its services tell."""

    cluster: Cluster
    metrics: Metrics
    logs: Logs
    vitals: Vitals = field(default_factory=NoVitals)


@dataclass(frozen=True)
class Platform:
    """Everything outside, behind ports."""

    pipeline: Pipeline
    workspace: Workspace
    clock: Clock
    scm: SourceControl
    forge: Forge
    inbox: Inbox
    evidence: EvidenceStore
    incidents: IncidentStore
    ledger: Ledger
    verifier: SignatureVerifier
    waivers: WaiverReader
    registry: ImageRegistry
    image_files: ImageFiles
    application_builder: ApplicationBuilder
    image_builders: Sequence[ImageBuilder]
    """In the order in which `auto` prefers them."""
    scanners: Mapping[StageKind, tuple[Scanner, ...]]
    """By kind of stage, in the order in which `auto` prefers them."""
    sites: Mapping[str, Site]
    """By name of the environment."""
    outbox: Outbox
    manifests: ManifestSource | None = None
    """None: nobody brings manifests of their own."""
    code_host: CodeHost | None = None
    """None: none is declared, or its credentials are not here."""
    code_reader: CodeHostReader | None = None
    """As `code_host`."""
    notifications: NotificationQueue | None = None
    """None: no channel is declared."""
    notifiers: Mapping[str, Notifier] = field(default_factory=dict[str, Notifier])
    """By name of the channel."""
    alert_reader: AlertReader | None = None
    """None: nobody tells alerts."""
    backups: Backups | None = None
    """None: nothing is backed up here."""
    attestor: Attestor | None = None
    """None: nobody signs here, and what needs a signature is missing."""
    envelopes: EnvelopeVerifier | None = None
    """As `attestor`."""
    anchor: LedgerAnchor | None = None
    """None: the ledger's heads are kept beside it alone."""
    bills: BillFormat | None = None
    """None: no bill of materials is made here, and what needs one is missing."""
    components: ComponentIndex | None = None
    """As `bills`."""
    advisories: AdvisoryBook | None = None
    """None: packages are not compared with advisories but by scanners."""
    confinement: Callable[[], Confined | NotConfined] = lambda: NotConfined("nobody says how commands run here")
    """Whether commands of the project's code are kept from keys and stores; the evidence says so."""
    step_pods: StepPodPlace | None = None
    """Where stages get pods of their own; None: every stage runs where its run runs."""
    public_url: str = ""
    """Where people reach the web interface; empty: nowhere, so nothing links to it."""

    def run_url(self, run_id: str) -> str | None:
        """The page of a run; None where there is no web interface to link to."""
        return f"{self.public_url}/runs/{run_id}" if self.public_url else None

    def service(self, name: str) -> Service:
        """The declared service; raises `NotFound`."""
        try:
            return self.pipeline.services[name]
        except KeyError:
            known = ", ".join(self.pipeline.services)
            raise NotFound(f"No service {name!r} is declared.", f"Declared are: {known}.") from None

    def environment_of(self, phase: Phase) -> Environment:
        """The environment of a phase; raises `NotFound`."""
        for environment in self.pipeline.environments.values():
            if environment.phase is phase:
                return environment
        raise NotFound(
            f"No environment is declared for {phase.value}.", f"Add one to `environments` in {self.pipeline.file}."
        )

    def deployment_of(self, service: Service, phase: Phase) -> Deployment:
        """How the service runs in the environment of a phase; raises `NotFound`."""
        environment = self.environment_of(phase)
        try:
            return service.deployments[environment.name]
        except KeyError:
            raise NotFound(
                f"Service {service.name} is not declared for {environment.name}.",
                f"Add `environments: {{{environment.name}: ...}}` to the service in {self.pipeline.file}.",
            ) from None
