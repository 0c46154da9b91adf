"""Where the home is gone with its pod, nothing that has to last is put there without a word."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._secret_scope import SecretNames
from shopkart_pipeline.backup_wiring import build_backups
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.kept_here import kept_here
from shopkart_pipeline.domain.registry import Registry, RegistryKind
from shopkart_pipeline.home_wiring import refuse_what_would_be_lost
from shopkart_pipeline.settings import from_environment, webhook_secrets_of
from shopkart_pipeline_tests.pipeline_installation import objects, pipeline

HOME = Path("/var/lib/shopkart")
KEY = "ab" * 32
POD = {"SHOPKART_HOME": str(HOME), "SHOPKART_HOME_LASTS": "no"}
DATABASES = dict.fromkeys(("SHOPKART_STORES", "SHOPKART_INBOX", "SHOPKART_LEDGER"), "postgresql://u@db/d")


def on_clusters() -> Pipeline:
    """The shipped declaration, with nothing of it on one machine."""
    shipped = pipeline()
    return replace(
        shipped,
        registry=Registry(RegistryKind.ECR),
        environments={name: replace(each, platform="kubernetes") for name, each in shipped.environments.items()},
        services={
            name: replace(each, source=replace(each.source, remote="https://git.example/shop.git"))
            for name, each in shipped.services.items()
        },
        schedules={},
        allowed_signers=Path("/etc/shopkart/trust/allowed_signers"),
    )


def test_everything_that_would_be_gone_with_the_pod_is_named_at_once() -> None:
    with pytest.raises(PipelineError) as told:
        refuse_what_would_be_lost(from_environment(POD), pipeline())
    for named in (*DATABASES, "SHOPKART_FINDING_NAMES_KEY", "kind: ecr", "staging", "production", "allowed_signers"):
        assert named in told.value.what


def test_a_pod_that_keeps_nothing_begins_and_so_does_a_home_that_lasts() -> None:
    settings = from_environment({**POD, **DATABASES, "SHOPKART_FINDING_NAMES_KEY": KEY})
    refuse_what_would_be_lost(settings, on_clusters())
    refuse_what_would_be_lost(from_environment({"SHOPKART_HOME": str(HOME)}), pipeline())
    for missing in DATABASES:
        others = {name: value for name, value in DATABASES.items() if name != missing}
        settings = from_environment({**POD, **others, "SHOPKART_FINDING_NAMES_KEY": KEY})
        with pytest.raises(PipelineError, match=f"{missing} is not set"):
            refuse_what_would_be_lost(settings, on_clusters())


def test_backups_on_disk_are_named_where_backups_are_made() -> None:
    assert not kept_here(on_clusters(), HOME)
    [line] = kept_here(replace(on_clusters(), schedules={"backup": "0 3 * * *"}), HOME)
    assert "kind: s3" in line


def test_every_pod_of_the_pipeline_says_that_its_home_does_not_last() -> None:
    assert objects("ConfigMap")["shopkart-settings"]["data"]["SHOPKART_HOME_LASTS"] == "no"
    with pytest.raises(PipelineError, match="yes or no"):
        from_environment({"SHOPKART_HOME_LASTS": "maybe"})


def test_no_key_is_made_that_would_be_gone_with_the_pod(tmp_path: Path) -> None:
    settings = from_environment({**POD, "SHOPKART_HOME": str(tmp_path)})
    with pytest.raises(PipelineError, match="SHOPKART_WEBHOOK_SECRET is not set"):
        webhook_secrets_of(settings)
    backups = build_backups(settings, pipeline().recovery)
    with pytest.raises(PipelineError, match="gone with this pod"):
        backups.store._key()  # type: ignore[attr-defined]  # pyright: ignore
    assert not list(tmp_path.rglob("*"))


def test_secrets_that_were_found_have_the_same_name_in_every_pod(tmp_path: Path) -> None:
    key = from_environment({"SHOPKART_FINDING_NAMES_KEY": KEY}).finding_names_key
    kept = tmp_path / "finding-names"
    kept.write_bytes(bytes.fromhex(KEY))
    names = {SecretNames(key).name("hunter2"), SecretNames(key).name("hunter2"), SecretNames(kept).name("hunter2")}
    assert len(names) == 1
    with pytest.raises(PipelineError, match="SHOPKART_FINDING_NAMES_KEY is no key") as told:
        from_environment({"SHOPKART_FINDING_NAMES_KEY": "hunter2"})
    assert "hunter2" not in str(told.value)
