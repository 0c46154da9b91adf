"""Stages: what is shipped, what people declare, and in which order they come out."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline_tests.unit.spec.declarations import (
    SMALLEST,
    faults_of,
    one_fault_of,
    service_fault_of,
    service_of,
)

SHIPPED_NEEDS = {
    "source": (),
    "dependencies": ("source",),
    "lint": ("source",),
    "secret_scan": ("source",),
    "dependency_scan": ("source",),
    "unit_tests": ("dependencies",),
    "quality": ("unit_tests",),
    "application": ("dependencies",),
    "image": ("application", "lint", "unit_tests", "quality", "secret_scan", "dependency_scan"),
    "image_scan": ("image",),
    "published_image": ("image_scan",),
    "attestations": ("published_image",),
    "code_review": ("source",),
    "staging": ("attestations",),
    "integration_tests": ("staging",),
    "acceptance_tests": ("staging",),
    "staging_attestations": ("code_review", "integration_tests", "acceptance_tests"),
    "production": ("staging_attestations",),
}


def _needs(stages: tuple[Stage, ...]) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.needs for stage in stages}


def test_a_service_that_says_nothing_has_the_shipped_stages(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    assert _needs(service.stages) == SHIPPED_NEEDS
    assert all(stage.kind is StageKind(stage.name) for stage in service.stages)
    assert all(stage.timeout_seconds > 0 for stage in service.stages)
    assert {stage.name for stage in service.stages_of(Phase.STAGING)} == {
        "code_review",
        "staging",
        "integration_tests",
        "acceptance_tests",
        "staging_attestations",
    }
    assert [stage.name for stage in service.stages_of(Phase.PRODUCTION)] == ["production"]


def test_each_stage_comes_after_those_that_it_needs(tmp_path: Path) -> None:
    seen: set[str] = set()
    for stage in service_of(tmp_path, "    stages: {a: {command: [x], needs: [b]}, b: {command: [x]}}\n").stages:
        assert set(stage.needs) <= seen
        seen.add(stage.name)


def test_a_stage_of_ones_own_is_complete(tmp_path: Path) -> None:
    more = """\
    stages:
      contract_tests:
        command: ["{python}", -m, pytest, tests/contract]
        junit: reports/contract.xml
        sarif: reports/contract.sarif
        timeout: 5m
        options: {speed: high}
"""
    assert service_of(tmp_path, more).stage("contract_tests") == Stage(
        name="contract_tests",
        kind=StageKind.COMMAND,
        phase=Phase.CI,
        needs=("dependencies",),
        timeout_seconds=300.0,
        command=("{python}", "-m", "pytest", "tests/contract"),
        junit="reports/contract.xml",
        sarif="reports/contract.sarif",
        options={"speed": "high"},
    )


@pytest.mark.parametrize(
    ("declared", "waiting"),
    [
        ("own: {command: [x]}", "image"),
        ("own: {command: [x], needs: []}", "image"),
        ("own: {command: [x], needs: [image]}", "published_image"),
        ("own: {command: [x], needs: [image_scan]}", "published_image"),
        ("own: {command: [x], needs: [published_image]}", "attestations"),
        ("own: {command: [x], needs: [attestations]}", "staging"),
        ("own: {command: [x], phase: staging}", "staging_attestations"),
        ("own: {command: [x], phase: staging, needs: [integration_tests]}", "staging_attestations"),
        ("own: {command: [x], phase: staging, needs: [published_image]}", "staging_attestations"),
        ("own: {command: [x]}, other: {command: [x], needs: [own]}", "other"),
        ("own: {command: [x]}, published_image: {needs: [image_scan, own]}", "published_image"),
    ],
)
def test_no_stage_can_be_passed_by(tmp_path: Path, declared: str, waiting: str) -> None:
    needs = _needs(service_of(tmp_path, f"    stages: {{{declared}}}\n").stages)
    assert [name for name, wanted in needs.items() if "own" in wanted] == [waiting]


def test_a_check_that_image_no_longer_names_is_awaited_all_the_same(tmp_path: Path) -> None:
    needs = _needs(service_of(tmp_path, "    stages: {image: {needs: [application]}}\n").stages)
    assert set(needs["image"]) == {"application", "lint", "secret_scan", "dependency_scan", "quality"}


def test_a_stage_that_waits_for_nothing_waits_for_the_source(tmp_path: Path) -> None:
    needs = _needs(service_of(tmp_path, "    stages: {own: {command: [x], needs: []}}\n").stages)
    assert needs["own"] == ("source",)


def test_a_command_takes_the_place_of_a_scans_tool(tmp_path: Path) -> None:
    stage = service_of(tmp_path, "    stages: {lint: {command: [flake8], sarif: out.sarif}}\n").stage("lint")
    assert (stage.kind, stage.tool, stage.command, stage.sarif) == (
        StageKind.LINT,
        "command",
        ("flake8",),
        "out.sarif",
    )


def test_needs_replace_the_shipped_list(tmp_path: Path) -> None:
    needs = _needs(service_of(tmp_path, "    stages: {lint: {needs: [secret_scan]}}\n").stages)
    assert needs["lint"] == ("secret_scan",)


def test_a_stage_that_is_left_out_is_replaced_by_what_it_needs(tmp_path: Path) -> None:
    more = "    stages: {unit_tests: {disabled: no tests yet}, acceptance_tests: {disabled: none yet}}\n"
    service = service_of(tmp_path, more)
    needs = _needs(service.stages)
    assert "unit_tests" not in needs
    assert needs["quality"] == ("dependencies",)
    assert needs["staging_attestations"] == ("code_review", "integration_tests")
    assert not [gate for gate in service.gates if gate.stage in ("unit_tests", "acceptance_tests")]


def test_compatibility_is_left_out_with_a_line_about_it_until_there_are_tests(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    assert all(stage.name != "compatibility" for stage in service.stages)
    assert all(gate.stage != "compatibility" for gate in service.gates)
    [left_out] = service.left_out
    assert (left_out.stage, "nobody tests the new version beside the running one" in left_out.reason) == (
        "compatibility",
        True,
    )


def test_compatibility_runs_beside_the_other_tests_where_its_command_is_declared(tmp_path: Path) -> None:
    service = service_of(tmp_path, "    stages: {compatibility: {command: [make, both]}}\n")
    stage = service.stage("compatibility")
    assert (stage.kind, stage.phase, stage.needs, stage.junit) == (
        StageKind.COMPATIBILITY,
        Phase.STAGING,
        ("staging",),
        "reports/compatibility.xml",
    )
    assert "compatibility" in _needs(service.stages)["staging_attestations"]
    assert {gate.name for gate in service.gates if gate.stage == "compatibility"} == {"failed", "tests", "flaky"}
    assert service.left_out == ()


def test_compatibility_is_left_out_for_a_reason_of_ones_own(tmp_path: Path) -> None:
    [left_out] = service_of(tmp_path, "    stages: {compatibility: {disabled: keeps nothing}}\n").left_out
    assert (left_out.stage, left_out.reason) == ("compatibility", "keeps nothing")


def test_a_service_that_has_the_name_of_a_companion_is_a_fault(tmp_path: Path) -> None:
    other = SMALLEST.partition("services:\n")[2].replace("  catalog:", "  catalog-running:")
    [fault] = faults_of(tmp_path, SMALLEST + "    stages: {compatibility: {command: [make, both]}}\n" + other)
    assert "catalog-running is what the running version of catalog is called beside the new one" in fault.message


def test_only_checks_can_be_left_out(tmp_path: Path) -> None:
    fault = service_fault_of(tmp_path, "    stages: {image: {disabled: not today}}\n")
    assert (fault.path, "unknown key" in fault.message) == ("stages.image.disabled", True)


@pytest.mark.parametrize(
    ("declared", "path", "cycle"),
    [
        ("lint: {needs: [lint]}", "stages.lint.needs", "lint -> lint"),
        ("source: {needs: [image]}", "stages.source.needs", "source"),
        (
            "a: {command: [x], needs: [b]}, b: {command: [x], needs: [c]}, c: {command: [x], needs: [a]}",
            "stages.a.needs",
            "a -> b -> c -> a",
        ),
    ],
)
def test_a_cycle_is_printed(tmp_path: Path, declared: str, path: str, cycle: str) -> None:
    faults = faults_of(tmp_path, SMALLEST + f"    stages: {{{declared}}}\n")
    assert faults
    assert any(fault.path.endswith(path) for fault in faults)
    assert any(cycle in fault.message for fault in faults)


def test_two_cycles_are_both_told(tmp_path: Path) -> None:
    declared = ", ".join(f"{one}: {{command: [x], needs: [{other}]}}" for one, other in ("ab", "ba", "cd", "dc"))
    faults = faults_of(tmp_path, SMALLEST + f"    stages: {{{declared}}}\n")
    assert len(faults) == 2
    assert {fault.path.split(".")[3] for fault in faults} in ({"a", "c"}, {"b", "c"}, {"a", "d"}, {"b", "d"})


FAULTS = [
    ("lint: {needs: [sorce]}", "stages.lint.needs[0]", "there is no stage sorce; did you mean source?"),
    ("lint: {needs: [source, production]}", "stages.lint.needs[1]", "runs in phase ci and can't wait for production"),
    ("image_scan: {needs: [source]}", "stages.image_scan.needs", "has to need image, directly or not"),
    ("integration_tests: {needs: [published_image]}", "stages.integration_tests.needs", "has to need staging"),
    ("own: {}", "stages.own.command", "has to say its `command`"),
    ("unit_test: {command: [x]}", "stages.unit_test", "did you mean unit_tests?"),
    ("Own: {command: [x]}", "stages.Own", "lower-case letters"),
    ("lint: {command: [flake8]}", "stages.lint.sarif", "say in `sarif` where the command writes its report"),
    ("lint: {tool: ruff, command: [x], sarif: x}", "stages.lint.command", "both the tool ruff and a command"),
    ("lint: {sarif: x.sarif}", "stages.lint.sarif", "no `command` is there to write it"),
    ('own: {command: ["{pyhton}"]}', "stages.own.command[0]", "did you mean {python}?"),
]


@pytest.mark.parametrize(("declared", "path", "words"), FAULTS)
def test_a_fault_of_a_stage_names_its_place(tmp_path: Path, declared: str, path: str, words: str) -> None:
    fault = service_fault_of(tmp_path, f"    stages: {{{declared}}}\n")
    assert (fault.line, fault.path) == (9, path)
    assert words in fault.message


def test_braces_that_are_no_placeholders_stay_in_commands(tmp_path: Path) -> None:
    stage = service_of(tmp_path, "    stages: {own: {command: [awk, '{print $1}', '{print}']}}\n").stage("own")
    assert stage.command == ("awk", "{print $1}", "{print}")


@pytest.mark.parametrize("name", ["approval", "rescan"])
def test_a_stage_of_ones_own_takes_no_name_that_the_pipeline_shows_something_as(tmp_path: Path, name: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}    stages: {{{name}: {{command: [x]}}}}\n")

    assert fault.path == f"services.catalog.stages.{name}"
    assert "give the stage another name" in fault.message
