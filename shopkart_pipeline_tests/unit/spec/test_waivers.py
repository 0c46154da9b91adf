"""`waivers.yaml`: what it says becomes waivers, and every fault is told at its line."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import DeclarationError, UntrustedInput
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.spec.waivers import YamlWaivers
from shopkart_pipeline_tests.unit.spec.declarations import service_of

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = """\
version: 1
waivers:
  - stage: dependency_scan
    rule: GHSA-vqfr-h8mv-ghfj
    package: h11
    reason: "We parse no chunked bodies: see SEC-12."
    owner: team:shop
    expires: 2026-03-31
  - stage: secret_scan
    finding: 0123456789abcdef01234567
    reason: A test key
    owner: maya@shopkart.example
    expires: 2026-01-01
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    (tmp_path / "declaration").mkdir()
    service = service_of(tmp_path / "declaration")
    return replace(service, source=replace(service.source, path="catalog"))


def read(tmp_path: Path, service: Service, text: str) -> tuple[Waiver, ...]:
    folder = tmp_path / "tree" / "catalog"
    folder.mkdir(parents=True)
    (folder / "waivers.yaml").write_text(text, encoding="utf-8")
    return YamlWaivers().read(tmp_path / "tree", service, NOW)


def test_waivers_are_read_with_their_places(tmp_path: Path, service: Service) -> None:
    by_rule, by_fingerprint = read(tmp_path, service, GOOD)

    assert (by_rule.rule, by_rule.package, by_rule.owner) == ("GHSA-vqfr-h8mv-ghfj", "h11", "team:shop")
    assert by_rule.place == "catalog/waivers.yaml:3"
    assert by_fingerprint.finding == "0123456789abcdef01234567"


def test_a_waiver_holds_to_the_end_of_its_last_day(tmp_path: Path, service: Service) -> None:
    _, waiver = read(tmp_path, service, GOOD)

    assert waiver.holds(datetime(2026, 1, 1, 23, 59, tzinfo=UTC))
    assert not waiver.holds(datetime(2026, 1, 2, tzinfo=UTC))


def test_a_service_without_the_file_waives_nothing(tmp_path: Path, service: Service) -> None:
    (tmp_path / "tree").mkdir()

    assert YamlWaivers().read(tmp_path / "tree", service, NOW) == ()


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path, service: Service) -> None:
    text = (
        GOOD.replace("2026-03-31", "2026-04-02").replace("secret_scan", "secret_scna").replace("    package: h11\n", "")
    )

    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, service, text)

    assert [str(fault) for fault in caught.value.faults] == [
        "catalog/waivers.yaml:3: waivers[0]: name the finding: `finding`, or `rule` together with `package` or `path`",
        "catalog/waivers.yaml:7: waivers[0].expires: a waiver may last 90 days at most: write 2026-04-01 or earlier",
        "catalog/waivers.yaml:8: waivers[1].stage: catalog has no stage secret_scna; did you mean secret_scan?",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("    owner: team:shop\n", "waivers[0].owner: this key has to be written"),
        ("    expires: 2026-03-31\n", "waivers[0].expires: this key has to be written"),
        ('    reason: "We parse no chunked bodies: see SEC-12."\n', "waivers[0].reason: this key has to be written"),
    ],
)
def test_owner_reason_and_expiry_are_mandatory(tmp_path: Path, service: Service, line: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message.replace("[", r"\[").replace("]", r"\]")):
        read(tmp_path, service, GOOD.replace(line, ""))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty; begin with `version: 1` and `waivers:`"),
        ("waivers: []\n", "version: this key has to be written"),
        ("version: 1\nwaivers: [{until: x}]\n", "waivers[0].until: unknown key"),
        (GOOD.replace("2026-03-31", "2026-02-30"), "2026-02-30 is no day of the calendar"),
        (GOOD.replace("2026-03-31", "soon"), '"soon" is not a day, such as 2026-03-31'),
        (GOOD.replace("0123456789abcdef01234567", "abc"), "is not a finding's fingerprint"),
        (GOOD + "    rule: X\n", "name the finding by its fingerprint or by rule and place, not by both"),
        ("version: 1\nwaivers: [\n", "waivers.yaml:"),
    ],
)
def test_a_file_that_can_not_be_read_waives_nothing(tmp_path: Path, service: Service, text: str, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        read(tmp_path, service, text)

    assert message in str(caught.value)


def test_a_link_out_of_the_repository_is_refused(tmp_path: Path, service: Service) -> None:
    (tmp_path / "elsewhere.yaml").write_text(GOOD)
    (tmp_path / "tree" / "catalog").mkdir(parents=True)
    (tmp_path / "tree" / "catalog" / "waivers.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    with pytest.raises(UntrustedInput, match="leads out of the repository"):
        YamlWaivers().read(tmp_path / "tree", service, NOW)
