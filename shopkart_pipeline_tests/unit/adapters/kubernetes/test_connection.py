"""Ways to a cluster, as environments declare them."""

import base64
import json
import sys
import tempfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, urlsplit

import pytest

from shopkart_pipeline.adapters.kubernetes import connection as connection_module
from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.connection import Access, Connection, RenewedToken, eks_token
from shopkart_pipeline.adapters.kubernetes.kinds import POD
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock

_SECRET = "the-token-that-nobody-may-see"


def test_a_kubeconfig_is_the_way_unless_another_is_declared() -> None:
    assert Access.of({}) == Access("kubeconfig")
    assert Access.of({"kubeconfig": "/k", "context": "blue"}) == Access("kubeconfig", "/k", "blue")
    assert Access.of({"access": "in-cluster"}).how == "in-cluster"
    assert Access.of({"cluster": "shop", "region": "eu-central-1"}) == Access(
        "eks", cluster="shop", region="eu-central-1"
    )


@pytest.mark.parametrize("options", [{"access": "carrier pigeon"}, {"access": "eks"}])
def test_a_way_that_there_is_not_is_told(options: dict[str, str]) -> None:
    with pytest.raises(PipelineError):
        Access.of(options)


def test_an_eks_token_is_a_signed_question_who_we_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    token = eks_token("shop", "eu-central-1")
    prefix, _, encoded = token.partition(".")
    assert prefix == "k8s-aws-v1"
    url = urlsplit(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode())
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert (url.scheme, url.netloc) == ("https", "sts.eu-central-1.amazonaws.com")
    assert query["Action"] == "GetCallerIdentity"
    assert query["X-Amz-SignedHeaders"] == "host;x-k8s-aws-id"
    assert query["X-Amz-Expires"] == "60"
    assert query["X-Amz-Credential"].startswith("AKIDEXAMPLE/")
    assert "wJalrXUtnFEMI" not in url.geturl()


def test_without_credentials_for_aws_there_is_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ToolUnavailable, match="no credentials"):
        eks_token("shop", "eu-central-1")


def test_a_token_is_renewed_before_it_ends() -> None:
    clock, made = FixedClock(datetime(2026, 3, 1, tzinfo=UTC)), list[int]()

    def make() -> str:
        made.append(1)
        return f"token-{len(made)}"

    token = RenewedToken(make, clock)
    assert [token(), token()] == ["token-1", "token-1"]
    clock.time += timedelta(minutes=11)
    assert token() == "token-2"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process makes temporary files now."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def _ask(connection: Connection) -> None:
    assert KubernetesApi(connection, SystemClock()).list(POD, "shop") == []


def test_certificates_are_not_read_again_from_files_that_may_be_gone(tmp_path: Path, temporary: Path) -> None:
    world = emulator.KubernetesWorld(SystemClock())
    world.add_namespace("shop")
    certificate = emulator.make_certificate(tmp_path)
    with emulator.running_kubernetes(world, None, certificate) as address:
        kubeconfig = emulator.write_kubeconfig(tmp_path / "config", address, world.token, certificate=certificate)
        with closing(Connection(Access(kubeconfig=str(kubeconfig)), SystemClock())) as connection:
            _ask(connection)
            for file in temporary.iterdir():
                file.unlink()  # As the end of a process that was forked from this one does.
            connection.client().rest_client.pool_manager.clear()
            _ask(connection)


def test_eks_leaves_no_file_behind_and_trusts_the_clusters_authority(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = emulator.KubernetesWorld(SystemClock())
    world.add_namespace("shop")
    certificate = emulator.make_certificate(tmp_path)
    authority = base64.b64encode(certificate.certificate.read_bytes()).decode()
    with emulator.running_kubernetes(world, None, certificate) as address:
        described = {"endpoint": address, "certificateAuthority": {"data": authority}, "arn": "arn:aws:eks:eu:1:c/shop"}
        eks = Mock(describe_cluster=Mock(return_value={"cluster": described}))
        monkeypatch.setattr(connection_module, "LazyClient", Mock(return_value=Mock(return_value=eks)))
        monkeypatch.setattr(connection_module, "eks_token", Mock(return_value=world.token))
        with closing(Connection(Access("eks", cluster="shop"), SystemClock())) as connection:
            _ask(connection)
    assert list(temporary.iterdir()) == []


def _kubeconfig(folder: Path, **user: Any) -> str:
    named = {"name": "any"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "any",
        "clusters": [named | {"cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [named | {"user": user}],
        "contexts": [named | {"context": {"cluster": "any", "user": "any"}}],
    }
    (folder / "config").write_text(json.dumps(document))
    return str(folder / "config")


def _plugin(text: str, code: int) -> dict[str, Any]:
    program = f"import sys; print({text!r}, file=sys.stderr if {code} else sys.stdout); sys.exit({code})"
    return {"apiVersion": "client.authentication.k8s.io/v1", "command": sys.executable, "args": ["-c", program]}


def _told(kubeconfig: str) -> str:
    api = KubernetesApi(Connection(Access(kubeconfig=kubeconfig), SystemClock()), SystemClock())
    with pytest.raises(ToolUnavailable) as unavailable:
        api.list(POD, "shop")
    assert unavailable.value.__cause__ is None
    return f"{unavailable.value.what} {unavailable.value.fix}"


@pytest.mark.parametrize(("text", "code", "words"), [(_SECRET, 3, "returned 3"), (_SECRET, 0, "failed to decode")])
def test_a_program_for_credentials_that_fails_is_told_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, code: int, words: str
) -> None:
    told = _told(_kubeconfig(tmp_path, exec=_plugin(text, code)))
    assert words in told
    assert _SECRET not in told + caplog.text


def test_a_broken_kubeconfig_is_told_without_a_word_of_it(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"users: [{{name: any, user: {{token: {_SECRET}: }}")
    assert _SECRET not in _told(str(tmp_path / "config"))


def test_a_certificate_that_is_not_there_is_told_without_its_place(tmp_path: Path) -> None:
    told = _told(_kubeconfig(tmp_path, **{"client-certificate": "/secret/place/of/ours.crt"}))
    assert "/secret/place" not in told
