"""Unknown keys, wrong types and values out of range: what is said, and where."""

from pathlib import Path

import pytest

from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of, service_fault_of

FORMS = [
    ("    stages: {lint: {tiemout: 5m}}\n", "stages.lint.tiemout", "unknown key; did you mean timeout?"),
    (
        "    stages: {lint: {junit: x}}\n",
        "stages.lint.junit",
        "unknown key; known: checkstyle, command, disabled, needs",
    ),
    ("    stages: {image: {command: [x]}}\n", "stages.image.command", "unknown key"),
    ("    stages: {load: {command: [x], tool: ruff}}\n", "stages.load.tool", "unknown key"),
    ("    stages: {lint: {timeout: 0}}\n", "stages.lint.timeout", "has to be longer than zero"),
    ("    stages: {lint: {timeout: -5m}}\n", "stages.lint.timeout", 'can\'t be negative, got "-5m"'),
    ("    stages: {lint: {timeout: 5 minutes}}\n", "stages.lint.timeout", "is not a duration; write seconds as 90"),
    ("    stages: {lint: {timeout: true}}\n", "stages.lint.timeout", "true is not a duration"),
    ("    stages: {lint: {timeout: 367d}}\n", "stages.lint.timeout", "can't be longer than 366d"),
    ("    stages: {lint: {options: {rules: 3}}}\n", "stages.lint.options.rules", 'write "3" in quotes'),
    ("    stages: {lint: {disabled: ''}}\n", "stages.lint.disabled", "a few words"),
    (
        "    stages: {load: {command: [x], phase: cli}}\n",
        "stages.load.phase",
        '"cli" is not possible here; did you mean ci?',
    ),
    (
        "    stages: {load: {command: make load}}\n",
        "stages.load.command",
        'expected a list, got "make load"; write [make, load]',
    ),
    ("    stages: {load: {command: []}}\n", "stages.load.command", "the list is empty"),
    ("    stages: {load: {command: [{python}, -m, x]}}\n", "stages.load.command[0]", 'write "{python}" in quotes'),
    ("    stages: {unit_tests: {junit: ../../x}}\n", "stages.unit_tests.junit", "is not a path inside the repository"),
    ("    stages: {unit_tests: {junit: /x}}\n", "stages.unit_tests.junit", "is not a path inside the repository"),
    (
        "    gates: {lint: {x: {at_most: '3'}}}\n",
        "gates.lint.x.at_most",
        'expected a number, got "3"; write 3 without quotes',
    ),
    ("    gates: {lint: {x: {at_most: -1}}}\n", "gates.lint.x.at_most", "must be at least 0, got -1"),
    ("    gates: {lint: {x: {findings: hihg}}}\n", "gates.lint.x.findings", "did you mean high?"),
    ("    gates: {lint: [a]}\n", "gates.lint", "expected keys with values, got a list"),
    (
        "    gates: {lint: {x: {at_most: 1, unless: {measure: y}}}}\n",
        "gates.lint.x.unless.below",
        "this key has to be written",
    ),
    ("    depends_on: catalog\n", "depends_on", "expected a list"),
]


@pytest.mark.parametrize(("more", "path", "words"), FORMS)
def test_a_fault_in_form_is_told_once_with_its_place(tmp_path: Path, more: str, path: str, words: str) -> None:
    fault = service_fault_of(tmp_path, more)
    assert (fault.line, fault.path) == (9, path)
    assert words in fault.message


REPLACED = [
    ("version: 1", "version: 2", 1, "version", "2 is not a version of this format; write 1"),
    ("version: 1", "version: true", 1, "version", "expected a whole number, got true"),
    ("team:shop", "maya", 4, "services.catalog.owners[0]", "an e-mail address or team:NAME"),
    ("shopkart/catalog", "catalog", 5, "services.catalog.source.repository", "as GitHub spells it"),
    ("[python, -m, catalog]", "[python, 3]", 6, "services.catalog.workload.command[1]", 'write "3" in quotes'),
    ("  catalog:", "  Catalog_1:", 3, "services.Catalog_1", "lower-case letters, digits and hyphens"),
    ("maya@shopkart.example", "maya", 8, "services.catalog.environments.production.approvals.approvers[0]", "e-mail"),
    ("    owners", "    owner", 4, "services.catalog.owner", "did you mean owners?"),
    ("    workload", "    workloads", 6, "services.catalog.workloads", "did you mean workload?"),
    ("services:", "service:", 2, "service", "did you mean services?"),
    ("version: 1", "verison: 1", 1, "verison", "did you mean version?"),
]


@pytest.mark.parametrize(("old", "new", "line", "path", "words"), REPLACED)
def test_what_only_follows_from_a_fault_is_not_told_as_well(
    tmp_path: Path, old: str, new: str, line: int, path: str, words: str
) -> None:
    fault = one_fault_of(tmp_path, SMALLEST.replace(old, new))
    assert (fault.line, fault.path) == (line, path)
    assert words in fault.message


PRODUCTION = [
    ("replicas: 0", "replicas", "must be at least 1, got 0"),
    ("replicas: 1.5", "replicas", "expected a whole number, got the number 1.5"),
    ("canary: [{weight: 0, bake: 1}]", "canary[0].weight", "must be at least 1, got 0"),
    ("canary: [{weight: -10, bake: 1}]", "canary[0].weight", "must be at least 1, got -10"),
    ("canary: [{weight: 101, bake: 1}]", "canary[0].weight", "must be at most 100, got 101"),
    ("canary: [{weight: 10%, bake: 1}]", "canary[0].weight", "write 10 without quotes or sign"),
    ("canary: [{weight: 10}]", "canary[0].bake", "this key has to be written"),
    ("deadline: 0s", "deadline", "longer than zero"),
    ("soak: -1h", "soak", "can't be negative"),
    ("objectives: {error_ratio: {at_most: 1.5, window: 60s}}", "objectives.error_ratio.at_most", "must be at most 1"),
    ("objectives: {latency: {}}", "objectives.latency", "did you mean latency_p95_seconds?"),
    ("analysis: {minimum_effect: 1}", "analysis.minimum_effect", "must be more than 1, got 1"),
    ("analysis: {false_abort_probability: 1}", "analysis.false_abort_probability", "must be less than 1"),
    ("approvals: {four_eyes: yes}", "approvals.four_eyes", 'expected true or false, got "yes"'),
]


@pytest.mark.parametrize(("said", "path", "words"), PRODUCTION)
def test_numbers_out_of_range_are_told_with_value_and_limit(tmp_path: Path, said: str, path: str, words: str) -> None:
    text = SMALLEST.replace("      production:", f"      staging: {{{said}}}\n      production:")
    fault = one_fault_of(tmp_path, text)
    assert (fault.line, fault.path) == (8, f"services.catalog.environments.staging.{path}")
    assert words in fault.message


FREEZES = [
    ("{time_zone: Mars/Base, days: [sat]}", ".time_zone", "there is no time zone Mars/Base"),
    ("{time_zone: UTC}", "", "a window has either `begins` and `ends`, or `days`"),
    ("{time_zone: UTC, days: [sat], begins: 2026-11-26T18:00}", "", "either `begins` and `ends`, or `days`"),
    ("{time_zone: UTC, begins: 2026-11-26T18:00, ends: 2026-11-26T18:00}", ".ends", "is not after 2026-11-26T18:00"),
    ("{time_zone: UTC, begins: 2026-13-26T18:00, ends: 2026-12-26T18:00}", "", "there is no such moment"),
    ("{time_zone: UTC, days: [saturday]}", ".days[0]", "is not possible here; known: fri, mon, sat"),
]


@pytest.mark.parametrize(("said", "path", "words"), FREEZES)
def test_a_freeze_that_can_not_be_is_told(tmp_path: Path, said: str, path: str, words: str) -> None:
    freeze = said.replace("{", "{name: sale, ", 1)
    fault = one_fault_of(tmp_path, SMALLEST.replace("production: {", f"production: {{freeze: [{freeze}], "))
    assert fault.path == f"services.catalog.environments.production.freeze[0]{path}"
    assert words in fault.message


def test_only_production_is_frozen(tmp_path: Path) -> None:
    fault = one_fault_of(
        tmp_path, SMALLEST + "      staging: {freeze: [{name: weekend, time_zone: UTC, days: [sat, sun]}]}\n"
    )
    assert fault.path == "services.catalog.environments.staging.freeze"


def test_a_soak_is_declared_for_staging_only(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, SMALLEST.replace("production: {", "production: {soak: 1h, "))
    assert fault.path == "services.catalog.environments.production.soak"
    assert fault.message == "a release soaks in staging before it goes on, and production is not of phase staging"


def test_every_fault_is_told_at_once_in_order_of_lines(tmp_path: Path) -> None:
    faults = faults_of(
        tmp_path,
        SMALLEST
        + "    stages: {lint: {tiemout: 1}, load: {needs: [lnit]}}\n"
        + "    gates: {quality: {new_coverage_percent: {at_least: 101}}}\n"
        + "    depends_on: [nobody]\n"
        + "schedules: {reconcile: often}\n",
    )
    assert [(fault.line, fault.path) for fault in faults] == [
        (9, "services.catalog.stages.lint.tiemout"),
        (9, "services.catalog.stages.load.command"),
        (9, "services.catalog.stages.load.needs[0]"),
        (10, "services.catalog.gates.quality.new_coverage_percent.at_least"),
        (11, "services.catalog.depends_on[0]"),
        (12, "schedules.reconcile"),
    ]


def test_a_password_in_a_remote_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = SMALLEST.replace("{repository: shopkart/catalog}", "{repository: a/b, remote: 'https://me:s3cret@host/x'}")
    fault = one_fault_of(tmp_path, text)
    assert "without a password" in fault.message
    assert "s3cret" not in str(fault)


@pytest.mark.parametrize("remote", ["ext::sh -c id", "--upload-pack=id", "fd::7", "ssh://me:pw@host/x", "relative/x"])
def test_a_remote_that_could_run_something_or_leak_is_refused(tmp_path: Path, remote: str) -> None:
    text = SMALLEST.replace("{repository: shopkart/catalog}", f'{{repository: a/b, remote: "{remote}"}}')
    assert one_fault_of(tmp_path, text).path == "services.catalog.source.remote"


def test_the_value_of_a_variable_is_never_repeated(tmp_path: Path) -> None:
    text = SMALLEST.replace("{command: [", "{variables: {PIN: 123456}, command: [")
    fault = one_fault_of(tmp_path, text)
    assert fault.path == "services.catalog.workload.variables.PIN"
    assert "123456" not in fault.message


def test_what_a_terminal_would_act_on_is_escaped(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, SMALLEST + '    "\\e[31m": 1\n')
    assert "\x1b" not in str(fault)
    assert "\\u001b" in fault.path


def test_thousands_of_faults_end_with_a_word_about_the_rest(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, SMALLEST + "".join(f"    key{n}: 1\n" for n in range(5000)))
    assert len(faults) == 1001
    assert "more than these 1000 faults" in faults[-1].message
