"""Where databases are and which key seals, as the environment says; never told in an error."""

import base64
from pathlib import Path

import pytest
import yaml

from shopkart_pipeline import backup_wiring
from shopkart_pipeline.adapters._confinement import OPEN
from shopkart_pipeline.adapters.postgres_dump import check_address
from shopkart_pipeline.adapters.sqlite_files import SqliteFiles
from shopkart_pipeline.backup_settings import BackupSettings
from shopkart_pipeline.backup_wiring import build_backups
from shopkart_pipeline.dagster_database import dagster_address
from shopkart_pipeline.domain.backup import PIPELINE, BackedUp, BackupPlace, Recovery, StoreKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.backups import Backups
from shopkart_pipeline.settings import from_environment

ADDRESS = "postgresql://shop:geheim@db.example/shop"


def test_an_address_comes_by_itself_or_in_a_file_that_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "address"
    settings = BackupSettings.read({"SHOPKART_DATABASE_THE_SHOP": ADDRESS, "SHOPKART_DATABASE_DAGSTER_FILE": str(file)})

    assert settings.address("the-shop") == ADDRESS
    assert "geheim" not in repr(settings)
    with pytest.raises(PipelineError, match="SHOPKART_DATABASE_DAGSTER_FILE"):
        settings.address("dagster")
    file.write_text(f"{ADDRESS}\n")
    assert settings.address("dagster") == ADDRESS


def test_both_at_once_are_refused_without_telling_either() -> None:
    with pytest.raises(PipelineError, match="Both SHOPKART_DATABASE_SHOP") as caught:
        BackupSettings.read({"SHOPKART_DATABASE_SHOP": ADDRESS, "SHOPKART_DATABASE_SHOP_FILE": "/x"})
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://shop:ge@heim@db.example/shop",
        "postgresql://shop:ge/heim@db.example/shop",
        "postgresql://shop:1/heim@db.example/shop",
        "postgresql://shop:ge%heim@db.example/shop",
    ],
)
def test_an_address_whose_password_is_not_encoded_is_refused_without_telling_it(address: str) -> None:
    with pytest.raises(PipelineError, match="percent-encoded") as caught:
        check_address("shop", address)
    assert "heim" not in str(caught.value)


@pytest.mark.parametrize("address", [ADDRESS, "host=a,b port=5432,5433 dbname=x", "host=@socket dbname=x", "dbname=x"])
def test_other_addresses_are_as_libpq_takes_them(address: str) -> None:
    assert check_address("shop", address) == address


def test_an_address_that_nobody_gave_is_told_with_the_variable() -> None:
    with pytest.raises(PipelineError, match="Set SHOPKART_DATABASE_SHOP"):
        BackupSettings.read({}).address("shop")


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    settings = BackupSettings.read({})

    key = settings.key(tmp_path)

    assert len(key) == 32
    assert settings.key(tmp_path) == key
    assert (tmp_path / "secrets" / "backup-key").stat().st_mode & 0o777 == 0o600


def test_a_key_that_is_given_counts(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(base64.b64encode(bytes(range(32))) + b"\n")

    settings = BackupSettings.read({"SHOPKART_BACKUP_KEY_FILE": str(file)})

    assert settings.key(tmp_path / "home") == bytes(range(32))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"geheim!", "not written in base64"), (b"Z2VoZWlt", "6 bytes instead"), (None, "read")],
)
def test_a_key_that_is_none_is_refused_without_telling_it(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(PipelineError, match=words) as caught:
        BackupSettings.read({"SHOPKART_BACKUP_KEY_FILE": str(file)}).key(tmp_path)
    assert "geheim" not in str(caught.value)


def built(home: Path, place: BackupPlace) -> Backups:
    return build_backups(from_environment({"SHOPKART_HOME": str(home)}), Recovery(place))


def test_naming_a_store_opens_nothing_and_makes_no_key(tmp_path: Path) -> None:
    s3 = BackupPlace(StoreKind.S3, None, "shop-backups", "nightly/", "eu-central-1")
    for place in (BackupPlace(), BackupPlace(folder=tmp_path / "else"), s3):
        backups = built(tmp_path / "home", place)
        backups.database(BackedUp("pipeline"))
        backups.database(BackedUp("shop"))

    assert list(tmp_path.iterdir()) == []


def test_backups_on_disk_are_in_the_home_where_nothing_else_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / "backups" / "shop" / "1").mkdir(parents=True)
    (home / "backups" / "shop" / "1" / "manifest.json").write_text("{")

    _, [unreadable] = built(home, BackupPlace()).store.backups("shop")

    assert unreadable.name == "shop/1"


def test_a_database_that_nobody_says_the_place_of_is_told_when_it_is_backed_up(tmp_path: Path) -> None:
    database = built(tmp_path, BackupPlace()).database(BackedUp("shop"))

    with pytest.raises(PipelineError, match="Set SHOPKART_DATABASE_SHOP"):
        database.dump(len)


def test_an_environment_that_was_never_started_is_told(tmp_path: Path) -> None:
    database = built(tmp_path, BackupPlace()).database(BackedUp("shop", "production"))

    with pytest.raises(PipelineError, match="no environment production"):
        database.dump(len)


@pytest.mark.parametrize("name", [PIPELINE, "shop"])
def test_what_is_backed_up_or_recovered_never_lies_where_commands_work(tmp_path: Path, name: str) -> None:
    """They could read it, and have the server for drills run what they write into its configuration."""
    backups = build_backups(from_environment({"SHOPKART_HOME": str(tmp_path)}), Recovery())

    scratch = [value for value in vars(backups.database(BackedUp(name))).values() if isinstance(value, Path)]

    assert tmp_path / "recovery" / name in scratch
    assert not any(path.is_relative_to(tmp_path / opened) for path in scratch for opened in OPEN)


def test_databases_of_the_pipelines_own_are_where_it_has_them(tmp_path: Path) -> None:
    given = {"SHOPKART_HOME": str(tmp_path), "SHOPKART_STORES": ADDRESS, "SHOPKART_DATABASE_LEDGER": f"{ADDRESS}-copy"}
    settings = from_environment(given | {"SHOPKART_LEDGER": ADDRESS})

    assert backup_wiring._address(settings, "stores") == ADDRESS
    assert backup_wiring._address(settings, "ledger") == f"{ADDRESS}-copy"
    with pytest.raises(PipelineError, match="Set SHOPKART_DATABASE_INBOX"):
        backup_wiring._address(settings, "inbox")


def test_the_pipelines_own_stores_are_one_database_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPKART_DAGSTER_DB_PASSWORD", "p@ss/word")
    said = {"SHOPKART_HOME": str(tmp_path), "SHOPKART_STORES": "postgresql://stores:x@db.example/shopkart"}
    said |= {"SHOPKART_INBOX": "postgresql://inbox:x@db.example/shopkart", "DAGSTER_HOME": str(tmp_path / "app")}
    settings, own = from_environment(said), BackedUp(PIPELINE)
    (tmp_path / "app").mkdir()
    database = {"scheme": "postgresql+psycopg2", "hostname": "db.example", "port": 5433, "db_name": "dagster"}
    database |= {"username": "dagster", "password": {"env": "SHOPKART_DAGSTER_DB_PASSWORD"}}
    storage = {"custom": {"module": "m", "class": "C", "config": {"postgres_db": database}}}
    (tmp_path / "app" / "dagster.yaml").write_text(yaml.safe_dump({"storage": storage}))

    everything = build_backups(settings, Recovery(databases={PIPELINE: own})).database(own)
    by_itself = Recovery(databases={PIPELINE: own, "dagster": BackedUp("dagster")})
    the_rest = build_backups(settings, by_itself).database(own)

    assert (everything._first, everything._then) == (["inbox-stores"], ["dagster"])
    assert (the_rest._first, the_rest._then) == (["inbox-stores"], [])
    assert backup_wiring._address(settings, "dagster") == "postgresql://dagster:p%40ss%2Fword@db.example:5433/dagster"


def test_a_home_alone_is_a_database_of_files(tmp_path: Path) -> None:
    settings, own = from_environment({"SHOPKART_HOME": str(tmp_path)}), BackedUp(PIPELINE)
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("run_launcher: {}\n")

    assert isinstance(build_backups(settings, Recovery(databases={PIPELINE: own})).database(own), SqliteFiles)


def test_a_variable_that_dagster_names_and_nobody_set_is_told(tmp_path: Path) -> None:
    configuration = tmp_path / "dagster.yaml"
    configuration.write_text("storage: {postgres: {postgres_db: {hostname: {env: SHOPKART_DAGSTER_DB_HOST}}}}\n")

    with pytest.raises(PipelineError, match="SHOPKART_DAGSTER_DB_HOST, which is not set"):
        dagster_address(configuration, lambda _: "")
