"""The surroundings: what counts where nothing is said, what is refused, and a secret that is made once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.settings import (
    SHIPPED_DECLARATION,
    BearerLogin,
    Settings,
    from_environment,
    read_secret,
    set_apart,
    variables_for,
    webhook_secrets_of,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment({"SHOPKART_HOME": str(tmp_path / "home")})


def test_without_a_word_the_shipped_declaration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    settings = from_environment({})

    assert settings.declaration == SHIPPED_DECLARATION
    assert settings.home == SHIPPED_DECLARATION.parent / ".shopkart"
    assert settings.dagster_home == settings.home / "dagster"
    assert (settings.runtime, settings.webhook_secrets) == ("auto", ())
    assert (settings.web_port, settings.receiver_port) == (3000, 3001)


def test_a_declaration_here_counts_before_the_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shopkart.yaml").touch()

    settings = from_environment({})

    assert settings.declaration == tmp_path / "shopkart.yaml"
    assert settings.home == tmp_path / ".shopkart"


def test_what_is_said_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    settings = from_environment(
        {
            "SHOPKART_DECLARATION": "other.yaml",
            "SHOPKART_HOME": "home",
            "SHOPKART_RUNTIME": "process",
            "SHOPKART_WEBHOOK_SECRET": "one, two,,",
            "SHOPKART_PORT": "0",
            "SHOPKART_RECEIVER_PORT": "65535",
        }
    )

    assert settings.declaration == tmp_path / "other.yaml"
    assert settings.home == tmp_path / "home"
    assert (settings.runtime, settings.webhook_secrets) == ("process", ("one", "two"))
    assert (settings.web_port, settings.receiver_port) == (0, 65535)


def test_an_empty_word_is_none() -> None:
    empty = dict.fromkeys(
        ["SHOPKART_DECLARATION", "SHOPKART_HOME", "SHOPKART_RUNTIME", "SHOPKART_WEBHOOK_SECRET", "SHOPKART_PORT"], ""
    )

    assert from_environment(empty) == from_environment({})


@pytest.mark.parametrize("name", ["SHOPKART_PORT", "SHOPKART_RECEIVER_PORT"])
@pytest.mark.parametrize("text", ["-1", "65536", "http", "3000 ", "3_000", "3.0", "²", "٣", "9" * 5000])
def test_a_port_that_is_none_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(PipelineError, match=f"{name} is") as caught:
        from_environment({name: text})

    assert "0 to 65535" in caught.value.fix


def test_a_registrys_user_and_password_come_together_and_are_not_shown() -> None:
    settings = from_environment({"SHOPKART_REGISTRY_USER": "robot", "SHOPKART_REGISTRY_PASSWORD": "pa:ss"})

    assert settings.registry_login == ("robot", "pa:ss")
    assert "pa:ss" not in repr(settings)
    assert from_environment({}).registry_login is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SHOPKART_REGISTRY_USER": "robot"}, "SHOPKART_REGISTRY_PASSWORD is not set"),
        ({"SHOPKART_REGISTRY_PASSWORD": "s3cret"}, "SHOPKART_REGISTRY_USER is not set"),
        ({"SHOPKART_REGISTRY_USER": "a:b", "SHOPKART_REGISTRY_PASSWORD": "s3cret"}, "has a colon"),
    ],
)
def test_half_a_login_is_refused_without_showing_it(given: dict[str, str], words: str) -> None:
    with pytest.raises(PipelineError, match=words) as caught:
        from_environment(given)

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("text", ["podman", "Docker", " auto"])
def test_an_unknown_runtime_is_refused(text: str) -> None:
    with pytest.raises(PipelineError, match="SHOPKART_RUNTIME") as caught:
        from_environment({"SHOPKART_RUNTIME": text})

    assert caught.value.fix == "Use one of: auto, process, docker."


def test_a_process_of_ours_is_told_everything(settings: Settings) -> None:
    variables = variables_for(settings)

    assert variables["SHOPKART_HOME"] == str(settings.home)
    assert variables["DAGSTER_HOME"] == str(settings.dagster_home)
    again = from_environment(variables)
    assert (again.home, again.declaration, again.runtime) == (settings.home, settings.declaration, settings.runtime)


# SonarQube.


def test_without_a_word_there_is_no_sonarqube() -> None:
    settings = from_environment({})

    assert (settings.sonar_token, settings.sonar_webhook_secrets) == ("", ())


def test_the_token_and_the_secrets_are_in_no_repr() -> None:
    given = {"SHOPKART_SONAR_TOKEN": " squ_0f1e2d\n", "SHOPKART_SONAR_WEBHOOK_SECRET": "s3cret-a,s3cret-b"}

    settings = from_environment(given)

    assert (settings.sonar_token, settings.sonar_webhook_secrets) == ("squ_0f1e2d", ("s3cret-a", "s3cret-b"))
    assert "0f1e2d" not in repr(settings)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize("token", ["squ 0f1e", "squ\n0f1e", "squ_é", "squ\x000f1e"])
def test_a_token_that_is_none_is_refused_without_telling_it(token: str) -> None:
    with pytest.raises(PipelineError, match="SHOPKART_SONAR_TOKEN") as caught:
        from_environment({"SHOPKART_SONAR_TOKEN": token})

    assert "squ" not in str(caught.value)


# The webhook secret.


def test_given_secrets_count_and_none_is_made(tmp_path: Path) -> None:
    settings = from_environment({"SHOPKART_HOME": str(tmp_path), "SHOPKART_WEBHOOK_SECRET": "given"})

    assert webhook_secrets_of(settings) == ("given",)
    assert list(tmp_path.iterdir()) == []


def test_a_secret_is_made_once_and_is_its_owners_alone(settings: Settings) -> None:
    [secret] = webhook_secrets_of(settings)

    path = settings.home / "secrets" / "webhook"
    assert webhook_secrets_of(settings) == (secret,)
    assert len(secret) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["webhook"]


def test_a_secret_that_people_put_there_counts(settings: Settings) -> None:
    path = settings.home / "secrets" / "webhook"
    path.parent.mkdir(parents=True)
    path.write_text("old\nnew\n")

    assert webhook_secrets_of(settings) == ("old", "new")


def test_two_who_make_the_secret_at_once_agree(tmp_path: Path) -> None:
    for number in range(5):
        settings, together = from_environment({"SHOPKART_HOME": str(tmp_path / f"{number}")}), Barrier(4)

        def make(settings: Settings, together: Barrier) -> tuple[str, ...]:
            together.wait()
            return webhook_secrets_of(settings)

        with ThreadPoolExecutor(4) as pool:
            made = [pool.submit(make, settings, together) for _ in range(4)]

        assert len({future.result() for future in made}) == 1
        assert [each.name for each in (settings.home / "secrets").iterdir()] == ["webhook"]


def test_two_homes_have_two_secrets(tmp_path: Path) -> None:
    one, other = (from_environment({"SHOPKART_HOME": str(tmp_path / name)}) for name in "ab")

    assert webhook_secrets_of(one) != webhook_secrets_of(other)


def test_a_token_for_prometheus_comes_by_itself_or_in_a_file(tmp_path: Path) -> None:
    assert from_environment({}).prometheus == BearerLogin()
    assert from_environment({"SHOPKART_PROMETHEUS_TOKEN": "abc"}).prometheus.token == "abc"
    assert "abc" not in repr(from_environment({"SHOPKART_PROMETHEUS_TOKEN": "abc"}))
    files = {
        "SHOPKART_PROMETHEUS_TOKEN_FILE": str(tmp_path / "token"),
        "SHOPKART_PROMETHEUS_CA_FILE": str(tmp_path / "ca.pem"),
    }
    assert from_environment(files).prometheus == BearerLogin("", tmp_path / "token", tmp_path / "ca.pem")
    with pytest.raises(PipelineError, match="Take one of them away"):
        from_environment({"SHOPKART_PROMETHEUS_TOKEN": "abc", **files})


def test_what_is_set_apart_reaches_nothing_of_the_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPKART_INBOX", "postgresql://pipeline@db.example/inbox")
    monkeypatch.setenv("SHOPKART_STORES", "postgresql://pipeline@db.example/stores")
    monkeypatch.setenv("SHOPKART_GITHUB_TOKEN", "abc")
    monkeypatch.setenv("SHOPKART_DECLARATION", str(tmp_path / "shopkart.yaml"))
    monkeypatch.setenv("SHOPKART_RUNTIME", "process")

    apart = set_apart(from_environment(), tmp_path / "drill")

    assert (apart.home, apart.declaration, apart.runtime) == (tmp_path / "drill", SHIPPED_DECLARATION, "process")
    assert (apart.inbox_address, apart.stores_address, apart.github.is_given) == ("", "", False)
    ours = {name for name in variables_for(apart) if name.startswith("SHOPKART_")}
    assert ours == {"SHOPKART_HOME", "SHOPKART_DECLARATION", "SHOPKART_RUNTIME"}


def test_tokens_of_alertmanager_come_by_themselves_or_in_a_file(tmp_path: Path) -> None:
    name, file = "SHOPKART_ALERTMANAGER_TOKEN", tmp_path / "token"
    assert from_environment({}).alertmanager_tokens == ()
    given = from_environment({name: "old, new"})
    assert given.alertmanager_tokens == ("old", "new")
    assert "new" not in repr(given)

    with pytest.raises(PipelineError, match="can't be read"):
        from_environment({f"{name}_FILE": str(file)})
    file.write_text("\n")
    with pytest.raises(PipelineError, match="holds no secret"):
        from_environment({f"{name}_FILE": str(file)})
    file.write_text("abc\n")
    assert from_environment({f"{name}_FILE": str(file)}).alertmanager_tokens == ("abc",)
    with pytest.raises(PipelineError, match="Both"):
        from_environment({name: "abc", f"{name}_FILE": str(file)})


def test_a_secret_is_read_when_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPKART_NOTIFY_ONCALL", " https://hooks.example/x\n")
    (tmp_path / "secret").write_text("pa ss\n")

    assert read_secret(SecretReference(variable="SHOPKART_NOTIFY_ONCALL")) == "https://hooks.example/x"
    assert read_secret(SecretReference(file=tmp_path / "secret")) == "pa ss"


@pytest.mark.parametrize("content", [b"", b" \n", b"two\nlines", b"\xff\xfe"])
def test_a_secret_that_is_none_is_told_without_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(ToolUnavailable) as caught:
        read_secret(SecretReference(file=tmp_path / "secret"))
    assert "lines" not in caught.value.what


def test_a_secret_that_is_not_there_is_told_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="SHOPKART_NOTIFY_NOBODY is not set"):
        read_secret(SecretReference(variable="SHOPKART_NOTIFY_NOBODY"))
    with pytest.raises(ToolUnavailable, match="FileNotFoundError"):
        read_secret(SecretReference(file=tmp_path / "nothing"))
