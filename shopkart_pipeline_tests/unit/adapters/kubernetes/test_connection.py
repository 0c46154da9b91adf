"""Ways to a cluster, as environments declare them."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from shopkart_pipeline.adapters.kubernetes.connection import Access, RenewedToken, eks_token
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock


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
