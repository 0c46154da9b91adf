"""ECR's API on moto: rights by the documented policy, and results of scans, with a real registry for the images.

moto makes up the result of a scan (`CVE-9999-9999` in `moto_fake`, severity high), unless it was given one. It knows
actions in policies, but not ECR's resources: the documented policy is tried with its resources widened.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, Severity
from shopkart_pipeline.domain.policy import FindingsRule, Gate
from shopkart_pipeline.domain.registry import Registry, RegistryScanning
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.registry import ImageRegistry, NotScanned, RegistryScan
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline_tests.contract.ecr_worlds import REGION, a_prefix, client_of, moto_registry
from shopkart_pipeline_tests.contract.test_registry import an_image
from shopkart_pipeline_tests.fakes.world import World

_ROOT = Path(__file__).resolve().parents[2]
_SAMPLES = _ROOT / "shopkart_pipeline_tests" / "samples" / "ecr"


@pytest.fixture
def prefix() -> str:
    return a_prefix()


@pytest.fixture
def registry(moto: str, prefix: str, tmp_path: Path) -> Iterator[ImageRegistry]:
    with moto_registry(moto, tmp_path / "registry", prefix=prefix) as registry:
        yield registry


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=30)


# Scans.


def test_where_no_scan_has_begun_one_is_asked_for_and_its_result_read(registry: ImageRegistry, tmp_path: Path) -> None:
    image = an_image(tmp_path)
    registry.push(image.layout, "shop", "1")

    scan = registry.scan_findings("shop", image.digest, soon())

    assert isinstance(scan, RegistryScan)
    [finding] = scan.findings
    assert (finding.rule, finding.severity) == ("CVE-9999-9999", Severity.HIGH)
    assert (finding.package, finding.installed_version) == ("moto_fake", "9.9.9")
    assert finding.fix_unknown
    assert scan.tool.name == "ECR basic scanning"


def test_the_result_of_an_enhanced_scan_is_read_as_the_api_gives_it(
    registry: ImageRegistry, moto: str, prefix: str, tmp_path: Path
) -> None:
    image = an_image(tmp_path)
    registry.push(image.layout, "shop", "1")
    client_of(moto).start_image_scan(repositoryName=f"{prefix}shop", imageId={"imageTag": "1"})
    answer = json.loads((_SAMPLES / "enhanced.json").read_text())
    answer |= {"repositoryName": f"{prefix}shop", "imageId": {"imageDigest": image.digest}}
    told = {"results": [answer], "region": REGION}
    httpx.post(f"{moto}/moto-api/static/ecr/scan-finding-results", json=told, timeout=30).raise_for_status()

    scan = registry.scan_findings("shop", image.digest, soon())

    assert isinstance(scan, RegistryScan), scan
    assert scan.tool.name == "Amazon Inspector"
    assert scan.scanned_at == datetime.fromisoformat("2025-03-04T11:08:40.144+00:00")
    assert [(each.rule, each.package, each.fixed_in) for each in scan.findings] == [
        ("CVE-2024-6345", "setuptools", "70.0.0"),
        ("CVE-2025-0001", "jinja2", None),
        ("CVE-2022-49043", "libxml2", None),
        ("CVE-2022-49043", "libxml2-utils", None),
    ]


def test_a_severe_finding_of_ecr_stops_the_release(moto: str, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "world").mkdir()
    world = World(tmp_path / "world")
    rule = FindingsRule(Severity.HIGH, only_fixable=True, exempt_measure="registry_scans", exempt_below=1.0)
    gate = Gate("vulnerabilities", "published_image", "nothing bad", rule)
    world.declare("backend", lambda service: replace(service, gates=(*service.gates, gate)))
    world.pipeline = replace(world.pipeline, registry=Registry(scanning=RegistryScanning.REQUIRED))
    release = world.merge()
    for stage in ("source", "dependencies", "lint", "unit_tests", "application", "image", "image_scan"):
        world.stage(release, stage)

    with moto_registry(moto, tmp_path / "registry", prefix=prefix, clock=world.clock) as registry:
        outcome = run_stage(replace(world.platform, registry=registry), release, "published_image", "run-x")

    assert isinstance(outcome.record.result, Evidence), outcome.record.result
    assert outcome.record.result.measures == {"registry_scans": 1.0, "registry_vulnerabilities": 1.0}
    assert [report.name for report in outcome.record.result.reports] == ["registry-scan.json"]
    [line] = outcome.gates
    assert line.outcome is Outcome.FAIL
    assert "CVE-9999-9999 moto_fake 9.9.9, fix unknown" in line.reason


# Rights.


class Account:
    """moto's account while rights count, and a user in it who has the documented ones."""

    def __init__(self, moto: str) -> None:
        self.moto = moto
        self._iam = client_of(moto, "iam")
        self._name = f"pipeline-{a_prefix().strip('/')}"
        self._iam.create_user(UserName=self._name)
        key = self._iam.create_access_key(UserName=self._name)["AccessKey"]
        self.key = key["AccessKeyId"], key["SecretAccessKey"]

    def allow(self, *, without: str = "") -> None:
        statements = [
            {"Effect": "Allow", "Resource": "*", "Action": [each for each in _actions(statement) if each != without]}
            for statement in documented_policy()["Statement"]
        ]
        policy = {"Version": "2012-10-17", "Statement": [each for each in statements if each["Action"]]}
        self._iam.put_user_policy(UserName=self._name, PolicyName="pipeline", PolicyDocument=json.dumps(policy))

    def rights_count(self, yes: bool) -> None:
        first = "0" if yes else "inf"
        httpx.post(f"{self.moto}/moto-api/reset-auth", content=first, timeout=30).raise_for_status()


def documented_policy() -> dict[str, Any]:
    [block] = re.findall(r"```json\n(.*?)```", (_ROOT / "docs" / "registry.md").read_text(), flags=re.DOTALL)
    return json.loads(block)


def _actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


@pytest.fixture
def account(moto: str) -> Iterator[Account]:
    account = Account(moto)
    yield account
    account.rights_count(False)


def push_and_read(account: Account, prefix: str, folder: Path) -> RegistryScan | NotScanned:
    """A first push, and the result of its scan, by the user while rights count."""
    image = an_image(folder)
    account.rights_count(True)
    with moto_registry(account.moto, folder / "registry", prefix=prefix, key=account.key) as registry:
        registry.push(image.layout, "shop", "1")
        return registry.scan_findings("shop", image.digest, datetime.now(UTC) + timedelta(seconds=8))


def test_the_documented_policy_is_enough(account: Account, prefix: str, tmp_path: Path) -> None:
    account.allow()

    assert isinstance(push_and_read(account, prefix, tmp_path), RegistryScan)


@pytest.mark.parametrize(
    "action",
    [
        "ecr:GetAuthorizationToken",
        "ecr:DescribeRepositories",
        "ecr:CreateRepository",
        "ecr:GetLifecyclePolicy",
        "ecr:PutLifecyclePolicy",
        "ecr:PutImage",
        "ecr:DescribeImages",
        "ecr:DescribeImageScanFindings",
    ],
)
def test_a_right_that_is_missing_is_named(account: Account, prefix: str, tmp_path: Path, action: str) -> None:
    account.allow(without=action)

    with pytest.raises(ToolUnavailable, match=f"not authorized to perform: {action}") as failure:
        push_and_read(account, prefix, tmp_path)

    assert action.partition(":")[2] in str(failure.value)


def test_without_the_right_to_ask_for_a_scan_there_is_none_and_that_is_said(
    account: Account, prefix: str, tmp_path: Path
) -> None:
    account.allow(without="ecr:StartImageScan")

    result = push_and_read(account, prefix, tmp_path)

    assert isinstance(result, NotScanned)
    # moto answers with a status alone.
    assert result.reason.endswith("no scan of the image has begun; ECR does not start one (403)")


def test_a_user_without_any_right_pushes_nothing(account: Account, prefix: str, tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="not authorized") as failure:
        push_and_read(account, prefix, tmp_path)

    assert "docs/registry.md has the whole policy" in failure.value.fix


def test_the_documented_policy_reaches_no_repository_but_ours() -> None:
    everywhere = {
        action
        for statement in documented_policy()["Statement"]
        for action in _actions(statement)
        if statement["Resource"] != "arn:aws:ecr:eu-central-1:123456789012:repository/shopkart/*"
    }

    # AWS knows no resources for these.
    assert everywhere == {"ecr:GetAuthorizationToken", "inspector2:ListCoverage", "inspector2:ListFindings"}
