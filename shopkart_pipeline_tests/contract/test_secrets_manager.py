"""Secrets in AWS Secrets Manager, on moto: where they are, what is rotated, and errors that tell nothing of them."""

import json
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.secrets_manager import KEPT_SECONDS, SecretsManager
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.given_secret import read_reference, referred
from shopkart_pipeline.known_secrets import masked
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.contract.ecr_worlds import REGION, client_of

VALUE = "planted-4f1d0c77-value"


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": moto,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def kept(moto: str, request: pytest.FixtureRequest) -> str:
    """The name of a secret that holds `VALUE`."""
    name = f"shopkart/{request.node.name}"
    client_of(moto, "secretsmanager").create_secret(Name=name, SecretString=VALUE)
    return name


def test_a_secret_is_read_by_name_and_by_arn(moto: str, kept: str) -> None:
    arn = client_of(moto, "secretsmanager").describe_secret(SecretId=kept)["ARN"]

    assert SecretsManager().read(kept) == VALUE
    assert SecretsManager().read(arn) == VALUE


def test_one_value_of_a_json_object_is_read_by_its_key(moto: str) -> None:
    content = json.dumps({"password": VALUE, "port": 5432, "user": "shop"})
    client_of(moto, "secretsmanager").create_secret(Name="shopkart/database", SecretString=content)

    assert SecretsManager().read("shopkart/database#password") == VALUE
    for key in ("passwort", "port"):
        with pytest.raises(ToolUnavailable, match=f"no text under '{key}'") as caught:
            SecretsManager().read(f"shopkart/database#{key}")
        assert VALUE not in str(caught.value)


def test_what_was_rotated_is_found_after_minutes_and_not_asked_for_before(moto: str, kept: str) -> None:
    seconds = Seconds()
    secrets = SecretsManager(seconds)
    assert secrets.read(kept) == VALUE
    client_of(moto, "secretsmanager").put_secret_value(SecretId=kept, SecretString="another")

    seconds.now = KEPT_SECONDS - 1
    assert secrets.read(kept) == VALUE
    seconds.now = KEPT_SECONDS
    assert secrets.read(kept) == "another"


def test_a_secret_that_is_not_there_or_no_text_is_told_by_name(moto: str) -> None:
    client_of(moto, "secretsmanager").create_secret(Name="shopkart/bytes", SecretBinary=b"\x00\x01")

    with pytest.raises(ToolUnavailable, match=r"shopkart/none can't be read: .*ResourceNotFound") as caught:
        SecretsManager().read("shopkart/none")
    assert "secretsmanager:GetSecretValue" in caught.value.fix
    with pytest.raises(ToolUnavailable, match="holds no text"):
        SecretsManager().read("shopkart/bytes")


@pytest.mark.parametrize("reference", ["", "#key", "a b", "name#", "name#a#b", "na\nme"])
def test_what_names_no_secret_is_refused(reference: str) -> None:
    with pytest.raises(ToolUnavailable, match="names no secret"):
        SecretsManager().read(reference)


def test_every_setting_takes_such_a_reference_and_its_value_is_known(kept: str, tmp_path: Path) -> None:
    names = ("SONAR_TOKEN", "GITHUB_TOKEN", "PROMETHEUS_TOKEN", "WEBHOOK_SECRET", "ALERTMANAGER_TOKEN")

    settings = from_environment({"SHOPKART_HOME": str(tmp_path)} | {f"SHOPKART_{name}_SECRET": kept for name in names})

    assert settings.sonar_token == settings.github.token == settings.prometheus.token == VALUE
    assert settings.webhook_secrets == settings.alertmanager_tokens == (VALUE,)
    assert masked(f"it is {VALUE}") == "it is [redacted]"


def test_a_private_key_with_its_lines_is_read(moto: str) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"
    client_of(moto, "secretsmanager").create_secret(Name="shopkart/app", SecretString=f"{key}\n")
    reference = referred({"X_SECRET": "shopkart/app"}, "X")
    assert reference is not None

    assert read_reference(reference, {}, lines=True) == key
    with pytest.raises(PipelineError, match="holds no secret"):
        read_reference(reference, {})


def test_aws_that_does_not_answer_is_told_with_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:1")

    with pytest.raises(ToolUnavailable, match="The secret shopkart/x can't be read: AWS can't be asked"):
        SecretsManager().read("shopkart/x")
