"""Under which licences an application ships what others wrote."""

import json
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._licences import (
    licence_findings,
    licence_measures,
    licence_report,
    licensed_packages,
)
from shopkart_pipeline.domain.evidence import Evidence, Severity, Tool
from shopkart_pipeline.domain.policy import FindingsRule, Gate
from shopkart_pipeline.domain.verdict import Outcome, evaluate_stage
from shopkart_pipeline_tests.scan_requests import write_files

DENY = ("licence:AGPL-*", "licence:GPL-*", "licence:SSPL-*", "licence:unknown")


def python(name: str, *fields: str, version: str = "1.0") -> dict[str, str]:
    lines = [f"Name: {name}", f"Version: {version}", *fields]
    return {f"deps/{name}-{version}.dist-info/METADATA": "\n".join(lines) + "\n\nLicense: not a field but text\n"}


def node(place: str, **fields: object) -> dict[str, str]:
    name = place.rpartition("node_modules/")[2]
    return {f"deps/{place}/package.json": json.dumps({"name": name, "version": "1.0.0", **fields})}


def rules(folder: Path, files: dict[str, str]) -> list[str]:
    return [one.rule for one in licence_findings(licensed_packages(write_files(folder, files)))]


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (("License-Expression: MIT",), ["licence:MIT"]),
        (("License-Expression: MIT", "License: GPLv3"), ["licence:MIT"]),
        (("License: BSD-3-Clause", "Classifier: License :: OSI Approved :: BSD License"), ["licence:BSD-3-Clause"]),
        (("License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License"), ["licence:MIT"]),
        (("License-Expression: Apache-2.0 AND BSD-2-Clause",), ["licence:Apache-2.0", "licence:BSD-2-Clause"]),
        (("License-Expression: GPL-2.0-or-later OR MIT",), ["licence:MIT OR GPL-2.0-or-later"]),
        (("License-Expression: nonsense",), ["licence:unknown"]),
        (("License: as is\n        for everybody",), ["licence:unknown"]),
        ((), ["licence:unknown"]),
        (
            (
                "License: Dual License",
                "Classifier: License :: OSI Approved :: Apache Software License",
                "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            ),
            ["licence:Apache-2.0", "licence:GPL-3.0-only"],
        ),
        (
            (
                "Classifier: License :: OSI Approved",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: Programming Language :: Python",
            ),
            ["licence:MIT"],
        ),
        (
            ("Classifier: License :: OSI Approved :: MIT License", "Classifier: License :: Free For Home Use"),
            ["licence:unknown"],
        ),
    ],
)
def test_python_packages_are_asked_for_expression_licence_and_classifiers(
    tmp_path: Path, fields: tuple[str, ...], found: list[str]
) -> None:
    assert rules(tmp_path, python("greeter", *fields)) == found


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"license": "MIT"}, ["licence:MIT"]),
        ({"license": "(MIT OR GPL-3.0)"}, ["licence:MIT OR GPL-3.0"]),
        ({"license": "Apache 2.0"}, ["licence:Apache-2.0"]),
        ({"license": {"type": "ISC", "url": "https://example.com"}}, ["licence:ISC"]),
        ({"licenses": [{"type": "GPL-3.0"}, {"type": "MIT"}]}, ["licence:MIT OR GPL-3.0"]),
        ({"licenses": [{"type": "MIT"}, {"url": "x"}]}, ["licence:unknown"]),
        ({"license": "UNLICENSED"}, ["licence:unknown"]),
        ({"license": "SEE LICENSE IN LICENSE"}, ["licence:unknown"]),
        ({"license": 7}, ["licence:unknown"]),
        ({"license": None}, ["licence:unknown"]),
        ({}, ["licence:unknown"]),
    ],
)
def test_node_packages_are_asked_for_their_licence(tmp_path: Path, fields: dict[str, object], found: list[str]) -> None:
    assert rules(tmp_path, node("node_modules/@shop/ui", **fields)) == found


def test_a_package_that_can_not_be_read_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "deps/odd-1.0.dist-info").mkdir(parents=True)
    files = {"deps/node_modules/broken/package.json": "{", "deps/node_modules/deep/package.json": "[" * 100_000}

    found = licence_findings(licensed_packages(write_files(tmp_path, files)))

    assert [(one.rule, one.package) for one in found] == [
        ("licence:unknown", "broken"),
        ("licence:unknown", "deep"),
        ("licence:unknown", "odd"),
    ]


def test_what_packages_bundle_counts_and_what_is_no_package_does_not(tmp_path: Path) -> None:
    files = {
        **python("tools", "License-Expression: MIT"),
        "deps/tools/_vendor/inner-2.0.dist-info/METADATA": "Name: inner\nVersion: 2.0\nLicense: LGPLv3\n",
        **node("tools/static/node_modules/left-pad", license="WTFPL"),
        "deps/tools/static/package.json": '{"name": "page"}',
    }

    assert rules(tmp_path, files) == ["licence:LGPL-3.0-only", "licence:WTFPL", "licence:MIT"]


def test_several_versions_of_a_package_are_one_finding(tmp_path: Path) -> None:
    files = {
        **node("node_modules/a", license="MIT"),
        **node("node_modules/b/node_modules/a", license="MIT", version="2.0.0"),
    }

    [finding] = licence_findings(licensed_packages(write_files(tmp_path, files)))
    assert (finding.package, finding.installed_version) == ("a", "1.0.0, 2.0.0")


def test_measures_and_report_tell_what_was_found(tmp_path: Path) -> None:
    files = {
        **python("a", "License-Expression: MIT"),
        **python("b", "License: MIT"),
        **python("c", "License: I wrote it"),
        **python("d", "License-Expression: ISC OR MIT"),
    }
    packages = licensed_packages(write_files(tmp_path, files))
    findings = licence_findings(packages)

    assert licence_measures(findings) == {"licences": 2, "unlicensed": 1}
    assert json.loads(licence_report(packages).content)[2] == {
        "ecosystem": "PyPI",
        "name": "c",
        "version": "1.0",
        "licence": None,
        "said": "I wrote it",
    }
    assert len({one.fingerprint for one in findings}) == len(findings)


@pytest.mark.parametrize(
    ("expression", "outcome"),
    [
        ("MIT", Outcome.PASS),
        ("LGPL-3.0-only", Outcome.PASS),
        ("GPL-3.0-or-later OR MIT", Outcome.PASS),
        ("GPL-3.0-or-later", Outcome.FAIL),
        ("MIT AND GPL-2.0-only", Outcome.FAIL),
        ("AGPL-3.0-only OR GPL-3.0-only", Outcome.FAIL),
        ("SSPL-1.0", Outcome.FAIL),
        ("mine", Outcome.FAIL),
    ],
)
def test_a_deny_list_judges_them(tmp_path: Path, expression: str, outcome: Outcome) -> None:
    packages = licensed_packages(write_files(tmp_path, python("a", f"License-Expression: {expression}")))
    evidence = Evidence(Tool("uv", "1"), "built", findings=licence_findings(packages))
    gate = Gate("licences", "application", "No", FindingsRule(Severity.INFO, only_new=False, rules=DENY))

    [result] = evaluate_stage("application", [gate], evidence)
    assert result.outcome is outcome


def test_huge_metadata_is_read(tmp_path: Path) -> None:
    fields = ["License: " + "x" * 1_000_000, *(f"Classifier: License :: {number}" for number in range(20_000))]

    [package] = licensed_packages(write_files(tmp_path, python("a", *fields)))
    assert (package.expression, len(package.said)) == (None, 100)
