"""Which registry and which builders stand behind a declaration, and that naming one opens nothing."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _confinement
from shopkart_pipeline.adapters.github_host import GitHubHost
from shopkart_pipeline.confinement_wiring import confine_commands
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.notification import (
    Channel,
    ChannelKind,
    Notification,
    NotificationPolicy,
    SecretReference,
)
from shopkart_pipeline.domain.registry import Registry, RegistryKind
from shopkart_pipeline.domain.traffic import MetricsMissing
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline.ports.telemetry import LogsMissing
from shopkart_pipeline.settings import Settings, from_environment
from shopkart_pipeline.wiring import build_platform, build_registry
from shopkart_pipeline_tests.contract.test_registry import an_image
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST

_ECR = Registry(RegistryKind.ECR, region="eu-central-1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SHOPKART_HOME": str(tmp_path / "home")})


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (Registry(), "disk"),
        (Registry(RegistryKind.OCI, address="https://registry.example"), "oci"),
        (_ECR, "ecr"),
        (Registry(prefix="shopkart/"), "disk"),
    ],
)
def test_the_declaration_chooses_the_registry(settings: Settings, declared: Registry, name: str) -> None:
    assert build_registry(settings, declared).name == name
    assert not settings.home.exists()


def test_a_prefix_is_in_every_name(settings: Settings, tmp_path: Path) -> None:
    image = an_image(tmp_path)

    build_registry(settings, Registry(prefix="shopkart/")).push(image.layout, "backend", "1")

    plain = build_registry(settings, Registry())
    assert plain.resolve("shopkart/backend", "1") == image.digest
    assert plain.resolve("backend", "1") is None


def test_a_registry_of_aws_needs_credentials_when_it_is_used_and_not_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")
    registry = build_registry(settings, _ECR)

    with pytest.raises(ToolUnavailable, match="nobody-has-this-profile"):
        registry.resolve("backend", "1")


_LOADED = """
import importlib, json, sys
heavy = {"boto3", "botocore", "cyclonedx", "dagster", "detect_secrets", "docker", "githubkit", "httpx", "jsonschema"}
heavy |= {"kubernetes", "psycopg"}
heavier = {"pydantic", "rich", "shopkart_pipeline.wiring", "yaml"}
found = {}
for command, beside in (("main", heavier), ("validate", {"shopkart_pipeline.wiring"}), ("releases", set())):
    importlib.import_module(f"shopkart_pipeline.cli.{command}")
    found[command] = sorted((heavy | beside) & {*sys.modules})
print(json.dumps(found))
"""


def test_a_command_that_only_looks_does_not_wait_for_what_runs_scans_builds_or_deploys() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout) == {"main": [], "validate": [], "releases": []}


@pytest.mark.parametrize(
    ("runtime", "automatic"),
    [("process", ["oci_layout"]), ("docker", ["docker"]), ("auto", ["docker", "oci_layout"])],
)
def test_installing_buildah_changes_no_build_that_does_not_name_it(
    tmp_path: Path, runtime: str, automatic: list[str]
) -> None:
    settings = from_environment({"SHOPKART_HOME": str(tmp_path), "SHOPKART_RUNTIME": runtime})

    builders = build_platform(settings).image_builders

    assert [builder.name for builder in builders if not builder.only_by_name] == automatic
    assert [builder.name for builder in builders if builder.only_by_name] == ["buildah"]


@pytest.mark.parametrize("token", ["", "github_pat_x"])
def test_what_is_told_goes_to_github_where_there_are_credentials(tmp_path: Path, token: str) -> None:
    declaration = tmp_path / "shopkart.yaml"
    shipped = from_environment({}).declaration.read_text(encoding="utf-8")
    declaration.write_text(shipped if "\ngithub:" in shipped else f"{shipped}\ngithub: {{}}\n", encoding="utf-8")
    given = {"SHOPKART_HOME": str(tmp_path / "home"), "SHOPKART_DECLARATION": str(declaration)}

    platform = build_platform(from_environment({**given, "SHOPKART_GITHUB_TOKEN": token}))

    assert isinstance(platform.code_host, GitHubHost) == bool(token)


@pytest.mark.parametrize(
    ("telemetry", "reason"),
    [
        ("", "no metrics server is declared for production: nobody counts its requests"),
        (
            "    telemetry: {prometheus: 'http://127.0.0.1:1'}\n",
            "Prometheus is not asked: its certificates can't be read",
        ),
    ],
)
def test_an_environment_on_kubernetes_is_counted_by_whom_it_declares(
    tmp_path: Path, telemetry: str, reason: str
) -> None:
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text(
        "version: 1\n"
        "services:\n"
        "  catalog:\n"
        "    owners: [maya@shopkart.example]\n"
        "    source: {repository: shopkart/catalog}\n"
        "    workload: {command: [python, -m, catalog]}\n"
        "    environments: {production: {approvals: {approvers: [maya@shopkart.example]}}}\n"
        "environments:\n"
        "  staging: {platform: local}\n"
        "  production:\n"
        "    platform: kubernetes\n"
        "    options: {kubeconfig: nowhere, context: shop, namespace: shop}\n"
        f"{telemetry}"
    )
    given = {
        "SHOPKART_HOME": str(tmp_path / "home"),
        "SHOPKART_DECLARATION": str(declaration),
        "SHOPKART_PROMETHEUS_CA_FILE": str(tmp_path / "nowhere.pem"),
    }

    sites = build_platform(from_environment(given)).sites

    assert (sites["staging"].cluster.name, sites["production"].cluster.name) == ("local", "kubernetes")
    now = datetime(2026, 3, 1, tzinfo=UTC)
    look = sites["production"].metrics.traffic("production", "catalog", now)
    assert isinstance(look, MetricsMissing)
    assert reason in look.reason
    assert isinstance(sites["production"].logs.errors("production", "catalog", now, now, 1), LogsMissing)


def test_declared_channels_speak_or_say_what_they_lack(settings: Settings, tmp_path: Path) -> None:
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text(
        SMALLEST + "github: {}\nnotifications:\n  channels:\n"
        "    oncall: {kind: slack, secret: 'env:SHOPKART_NOTIFY_NOBODY'}\n"
        "    mail: {kind: smtp, server: smtp.example, sender: p@shop.example, to: [a@shop.example]}\n"
        "    tickets: {kind: github_issue, repository: shopkart/storefront}\n"
    )
    platform = build_platform(replace(settings, declaration=declaration))
    test = Notification("test", "test", "subject", "")

    assert sorted(platform.notifiers) == ["mail", "oncall", "tickets"]
    assert platform.notifications is not None
    for name, reason in (("oncall", "SHOPKART_NOTIFY_NOBODY is not set"), ("tickets", "credentials for GitHub")):
        with pytest.raises(NotDelivered, match=reason):
            platform.notifiers[name].send(test, None, maybe_sent=False)
    assert not (settings.home / "notifications.db").exists()


def test_stores_in_postgresql_are_not_opened_before_they_are_used_and_nothing_of_them_is_in_the_home(
    tmp_path: Path,
) -> None:
    address = "postgresql://me:geheim@127.0.0.1:1/shop"
    settings = from_environment({"SHOPKART_HOME": str(tmp_path / "home"), "SHOPKART_STORES": address})

    platform = build_platform(settings)

    assert "geheim" not in repr(settings)
    for look in (
        platform.evidence.release_names,
        platform.incidents.list,
        platform.outbox.waiting,
        platform.components.names,
    ):
        with pytest.raises(ToolUnavailable, match="can't be used"):
            look()
    assert not settings.home.exists()


def test_commands_are_kept_from_every_file_that_is_named_as_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_confinement, "_current", None)
    given = {
        "SHOPKART_HOME": str(tmp_path),
        "SHOPKART_TOKEN_FILE": "/run/token",
        "AWS_SHARED_CREDENTIALS_FILE": "/run/aws",
        "KUBECONFIG": "/run/one:/run/two",
    }
    pipeline = build_platform(from_environment({"SHOPKART_HOME": str(tmp_path)})).pipeline
    channel = Channel("oncall", ChannelKind.SLACK, SecretReference(file=Path("/run/channel")))
    remote = replace(next(iter(pipeline.environments.values())), options={"kubeconfig": "/run/three"})
    declared = replace(
        pipeline, notifications=NotificationPolicy({"oncall": channel}, ()), environments={"remote": remote}
    )

    confine_commands(from_environment(given), declared)

    current = _confinement._current  # pyright: ignore[reportPrivateUsage]
    assert current is not None
    assert {path.name for path in current.secrets} == {"token", "aws", "one", "two", "channel", "three"}
    assert _confinement.private_folder() == tmp_path / "private"
