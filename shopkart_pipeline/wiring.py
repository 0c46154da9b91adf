"""The only chooser of real adapters: from settings and declaration to a platform.

Building a platform opens nothing and starts nothing, so every command and every Dagster process may do it. Names in
the declaration choose; where it says `auto`, the order below is the order of preference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from shopkart_pipeline.adapters._github_answers import AnswerStore
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_identity import GitHubCredentials
from shopkart_pipeline.adapters.alertmanager import AlertmanagerReader
from shopkart_pipeline.adapters.cyclonedx_json import CycloneDxJson
from shopkart_pipeline.adapters.dsse import KeyFileVerifier
from shopkart_pipeline.adapters.fetching_source import FetchingSource
from shopkart_pipeline.adapters.git import GitSource
from shopkart_pipeline.adapters.github import GitHubForge
from shopkart_pipeline.adapters.github_app import GitHubAccount
from shopkart_pipeline.adapters.github_host import GitHubHost
from shopkart_pipeline.adapters.github_reader import GitHubReader
from shopkart_pipeline.adapters.kubernetes.own_manifests import RepositoryManifests
from shopkart_pipeline.adapters.oci_files import OciImageFiles
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.adapters.osv_book import OsvBook
from shopkart_pipeline.adapters.prefixed_registry import PrefixedRegistry
from shopkart_pipeline.adapters.python_application import PythonApplication
from shopkart_pipeline.adapters.silent_channel import SilentChannel
from shopkart_pipeline.adapters.ssh_signature import SshSignatureVerifier
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.backup_wiring import build_backups
from shopkart_pipeline.confinement_wiring import confine_commands, how_confined
from shopkart_pipeline.deferred import DeferredMapping, DeferredSequence
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.declaration import Environment, Source, StageKind
from shopkart_pipeline.domain.notification import Channel, ChannelKind, NotificationPolicy
from shopkart_pipeline.domain.registry import Registry, RegistryKind
from shopkart_pipeline.home_wiring import refuse_what_would_be_lost
from shopkart_pipeline.ledger_wiring import build_anchor, build_ledger
from shopkart_pipeline.ports.builder import ApplicationBuilder, ImageBuilder
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.notifier import Notifier
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.ports.scanner import Scanner
from shopkart_pipeline.ports.scm import SourceControl
from shopkart_pipeline.ports.vitals import NoVitals
from shopkart_pipeline.receiver_wiring import build_inbox
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.workspace import Workspace
from shopkart_pipeline.settings import Settings, read_secret
from shopkart_pipeline.signer_wiring import build_attestor
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.waivers import YamlWaivers
from shopkart_pipeline.stores_wiring import STORES_PATIENCE_SECONDS, build_stores


def build_platform(settings: Settings) -> Platform:
    """The platform that the declaration describes.

    Sites, scanners and builders are chosen when they are first asked for; a declaration that says how a cluster is
    reached in a way that there is not is refused then.

    Raises:
        DeclarationError: the declaration can't be used.
        PipelineError: it rests on a home that does not last.
    """
    home, clock = settings.home, SystemClock()
    pipeline = load(settings.declaration, home=home)
    refuse_what_would_be_lost(settings, pipeline)
    confine_commands(settings, pipeline)
    registry = build_registry(settings, pipeline.registry)
    github = _github_client(settings, pipeline.code_host)
    mirrored = GitSource(home / "mirrors", authorization=_git_authorization(github))
    scm = mirrored if settings.home_lasts else FetchingSource(mirrored)
    stores = build_stores(settings, pipeline.evidence_bucket, clock)
    return Platform(
        pipeline=pipeline,
        workspace=Workspace(home),
        clock=clock,
        scm=scm,
        forge=GitHubForge(),
        alert_reader=AlertmanagerReader(),
        inbox=build_inbox(settings, STORES_PATIENCE_SECONDS),
        evidence=stores.evidence,
        incidents=stores.incidents,
        ledger=build_ledger(settings, STORES_PATIENCE_SECONDS),
        verifier=SshSignatureVerifier(),
        waivers=YamlWaivers(),
        registry=registry,
        image_files=OciImageFiles(),
        bills=CycloneDxJson(),
        components=stores.components,
        advisories=OsvBook(home / "cache" / "advisories"),
        application_builder=build_application_builder(settings),
        image_builders=_image_builders(settings),
        scanners=_scanners(settings, scm, clock, pipeline.environments),
        sites=DeferredMapping(partial(_sites, settings, pipeline.environments, registry, clock)),
        outbox=stores.outbox,
        manifests=RepositoryManifests(),
        code_reader=None if github is None else GitHubReader(github, clock),
        code_host=None if github is None else GitHubHost(github),
        notifications=None if pipeline.notifications is None else stores.notifications,
        notifiers=DeferredMapping(partial(_notifiers, pipeline.notifications, github, clock)),
        backups=build_backups(settings, pipeline.recovery),
        attestor=build_attestor(settings),
        envelopes=KeyFileVerifier(settings.trusted_keys),
        anchor=build_anchor(settings.ledger.anchor),
        confinement=how_confined(settings),
        step_pods=None if settings.step_pods is None else replace(settings.step_pods, pod=pipeline.step_pod),
        public_url=settings.public_url,
    )


def _notifiers(policy: NotificationPolicy | None, github: GitHubClient | None, clock: Clock) -> dict[str, Notifier]:
    channels = () if policy is None else policy.channels.values()
    return {channel.name: _notifier(channel, github, clock) for channel in channels}


def _notifier(channel: Channel, github: GitHubClient | None, clock: Clock) -> Notifier:
    from shopkart_pipeline.adapters.github_issue import GitHubIssue
    from shopkart_pipeline.adapters.slack_webhook import SlackWebhook
    from shopkart_pipeline.adapters.smtp_mail import MailServer, SmtpMail

    secret = None if channel.secret is None else partial(read_secret, channel.secret)
    match channel.kind:
        case ChannelKind.SLACK if secret is not None:
            return SlackWebhook(channel.name, secret)
        case ChannelKind.SMTP:
            return SmtpMail(channel.name, MailServer.of(channel.options), channel.recipients, secret, clock)
        case ChannelKind.GITHUB_ISSUE if github is not None:
            return GitHubIssue(channel.name, github, channel.options["repository"], channel.recipients, clock)
        case _:
            return SilentChannel(channel.name, "credentials for GitHub are not given")


def github_account(settings: Settings, policy: CodeHostPolicy) -> GitHubAccount | None:
    """Who the pipeline is at GitHub; None where no credentials are given."""
    client = _github_client(settings, policy)
    return None if client is None else GitHubAccount(client)


def _git_authorization(github: GitHubClient | None) -> Callable[[Source], str]:
    """How git introduces itself; without credentials it does not."""
    return (lambda source: "") if github is None else GitHubAccount(github).git_authorization


def _github_client(settings: Settings, policy: CodeHostPolicy | None) -> GitHubClient | None:
    if policy is None or not settings.github.is_given:
        return None
    given = settings.github
    stored = None if given.stored_key is None else partial(read_secret, given.stored_key, lines=True)
    credentials = GitHubCredentials(policy.api, given.app_id, given.private_key_file, given.token, stored)
    return GitHubClient(credentials, SystemClock(), AnswerStore(settings.home / "cache" / "github.db"))


def build_registry(settings: Settings, declared: Registry) -> ImageRegistry:
    """Where images are kept; the local cluster needs nothing else of the platform."""
    registry = _registry(settings, declared)
    return PrefixedRegistry(registry, declared.prefix) if declared.prefix else registry


def _registry(settings: Settings, declared: Registry) -> ImageRegistry:
    places = settings.home / "cache" / "blob-places"
    match declared.kind:
        case RegistryKind.DISK:
            return DiskRegistry(settings.home / "registry")
        case RegistryKind.OCI:
            from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry

            return OciHttpRegistry.at(declared.address, settings.registry_login, places)
        case RegistryKind.ECR:
            # AWS's client library takes a fifth of a second to import, which only those who use it should wait for.
            from shopkart_pipeline.adapters.ecr import ecr_registry

            return ecr_registry(declared, SystemClock(), places)


def choose_runtime(settings: Settings) -> tuple[str, str]:
    """How replicas run here, `docker` or `process`, and why in words. Images are built to fit."""
    if settings.runtime != "auto":
        return settings.runtime, "SHOPKART_RUNTIME says so"
    from shopkart_pipeline.builder_wiring import docker_builder

    reason = docker_builder(settings).unavailable()
    return ("docker", "a Docker Engine answers") if reason is None else ("process", reason)


def _image_builders(settings: Settings) -> Sequence[ImageBuilder]:
    def chosen() -> Sequence[ImageBuilder]:
        from shopkart_pipeline.builder_wiring import image_builders

        return image_builders(settings)

    return DeferredSequence(chosen)


def build_application_builder(settings: Settings) -> ApplicationBuilder:
    """What installs and builds."""
    return PythonApplication(settings.home / "work" / "packages")


def _scanners(
    settings: Settings, scm: SourceControl, clock: Clock, environments: Mapping[str, Environment]
) -> Mapping[StageKind, tuple[Scanner, ...]]:
    def chosen() -> Mapping[StageKind, tuple[Scanner, ...]]:
        # Most commands scan nothing, and don't wait for a third of all adapters to be imported.
        from shopkart_pipeline.scanner_wiring import build_scanners

        return build_scanners(settings, scm, clock, environments)

    return DeferredMapping(chosen)


def _kubernetes_site(settings: Settings, environment: Environment, registry: ImageRegistry, clock: Clock) -> Site:
    # Nothing of it is loaded where no environment is on Kubernetes.
    from shopkart_pipeline.adapters._bearer import ServerAccess
    from shopkart_pipeline.adapters.kubernetes.cluster import KubernetesCluster
    from shopkart_pipeline.adapters.kubernetes.logs import KubernetesLogs
    from shopkart_pipeline.adapters.kubernetes.telemetry import NoMetrics
    from shopkart_pipeline.adapters.loki import LokiLogs
    from shopkart_pipeline.adapters.prometheus import PrometheusMetrics
    from shopkart_pipeline.adapters.prometheus_vitals import PrometheusVitals

    given = settings.prometheus
    access = ServerAccess(given.token, given.token_file, given.ca_file)
    of_loki = ServerAccess(settings.loki.token, settings.loki.token_file, settings.loki.ca_file)
    source, pods = environment.log_source, KubernetesLogs.of(environment.options, clock)
    metrics = PrometheusMetrics(environment.telemetry, access) if environment.telemetry else NoMetrics()
    return Site(
        KubernetesCluster.of(environment.options, registry, clock),
        metrics,
        pods if source is None else LokiLogs(source, of_loki, clock),
        PrometheusVitals(environment.telemetry, access) if environment.telemetry else NoVitals(),
    )


def _sites(
    settings: Settings, environments: Mapping[str, Environment], registry: ImageRegistry, clock: Clock
) -> dict[str, Site]:
    return {name: _site(settings, environment, registry, clock) for name, environment in environments.items()}


def _site(settings: Settings, environment: Environment, registry: ImageRegistry, clock: Clock) -> Site:
    if environment.platform == "kubernetes":
        return _kubernetes_site(settings, environment, registry, clock)
    from shopkart_pipeline.adapters.local_cluster import LocalCluster, LocalLogs, LocalMetrics, LocalVitals

    home = settings.home
    return Site(LocalCluster(home, registry, clock), LocalMetrics(home), LocalLogs(home), LocalVitals.at(home))
