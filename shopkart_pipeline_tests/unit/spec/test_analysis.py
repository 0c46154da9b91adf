"""What a declaration says about judging a canary, and the step that a harm budget chooses."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.detection import ExpectedTraffic
from shopkart_pipeline.domain.errors import DeclarationError
from shopkart_pipeline.domain.harm_budget import HarmBudget
from shopkart_pipeline.domain.judge_policy import EventRule, LatencyRule
from shopkart_pipeline.domain.sequential_test import Worse
from shopkart_pipeline.spec.policy_file import load_policy
from shopkart_pipeline_tests.unit.spec.declarations import one_fault_of, pipeline_of, service_of

TRAFFIC = "traffic: {requests_per_second: 50, error_ratio: 0.005, events: {checkouts: 2}}"
CHECKOUTS = "events: {checkouts: {method: POST, status: 303, minimum_effect: 4}}"


def shop(analysis: str, more: str = "") -> str:
    return f"""\
version: 1
services:
  catalog:
    owners: [team:shop]
    source: {{repository: shopkart/catalog}}
    workload: {{command: [python, -m, catalog]}}
    environments:
      production:
        approvals: {{approvers: [maya@shopkart.example]}}
        analysis: {{{analysis}}}
{more}"""


def production(folder: Path, analysis: str) -> Deployment:
    return pipeline_of(folder, shop(analysis)).services["catalog"].deployments["production"]


def test_by_itself_errors_alone_are_judged(tmp_path: Path) -> None:
    analysis = service_of(tmp_path).deployments["production"].analysis

    assert analysis == Analysis()
    assert (analysis.policy.events, analysis.policy.latency, analysis.policy.warm_up_seconds) == ((), None, 0.0)


def test_events_and_latency_are_compiled_with_their_defaults(tmp_path: Path) -> None:
    text = "events: {checkouts: {method: POST, status: 303}, refused: {method: POST, status: 4xx, worse: more}}"

    analysis = production(tmp_path, f"{text}, latency: {{quantile: 0.9}}, warm_up: 30s").analysis

    assert analysis.events == (
        EventRule("checkouts", "POST", (303, 303)),
        EventRule("refused", "POST", (400, 499), worse=Worse.MORE),
    )
    assert analysis.latency == LatencyRule(0.9, 1.5)
    assert analysis.warm_up_seconds == 30.0


@pytest.mark.parametrize("status", ["600", "20", "5x", "abc", "true", "2.5"])
def test_what_is_no_status_is_a_fault(tmp_path: Path, status: str) -> None:
    fault = one_fault_of(tmp_path, shop(f"events: {{checkouts: {{method: POST, status: {status}}}}}"))

    assert "is not a status; write one such as 303, or all of a kind as 2xx" in fault.message


def test_a_harm_budget_chooses_the_only_step(tmp_path: Path) -> None:
    found = production(tmp_path, f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{failed_requests: 200}}")

    assert found.analysis.harm_budget == HarmBudget(200)
    assert found.analysis.traffic == ExpectedTraffic(50, 0.005, {"checkouts": 2.0})
    [step] = found.steps
    assert 10 <= step.weight_percent <= 50
    assert step.bake_seconds > 60


def test_a_budget_may_count_a_declared_event(tmp_path: Path) -> None:
    found = production(tmp_path, f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{event: checkouts, lost: 60}}")

    assert found.analysis.harm_budget == HarmBudget(60, "checkouts")
    assert len(found.steps) == 1


@pytest.mark.parametrize(
    ("analysis", "where", "words"),
    [
        ("harm_budget: {failed_requests: 200}", "traffic", "needs the usual traffic"),
        (f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{failed_requests: 1}}", "harm_budget", "no canary can keep that"),
        (f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{}}", "harm_budget", "say either"),
        (f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{event: checkouts}}", "harm_budget", "say either"),
        (
            f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{failed_requests: 9, event: checkouts, lost: 9}}",
            "harm_budget",
            "say either",
        ),
        (f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{event: checkout, lost: 30}}", "harm_budget.event", "did you mean"),
        (
            f"traffic: {{requests_per_second: 5, error_ratio: 0.1}}, {CHECKOUTS}, "
            "harm_budget: {event: checkouts, lost: 30}",
            "traffic.events.checkouts",
            "say how many checkouts",
        ),
        (TRAFFIC, "traffic.events.checkouts", "there is no event checkouts"),
        ("events: {errors: {method: GET, status: 404}}", "events.errors", "judged under that name already"),
        ("events: {latency: {method: GET, status: 404}}", "events.latency", "judged under that name already"),
    ],
)
def test_what_does_not_fit_together_is_a_fault_at_its_place(
    tmp_path: Path, analysis: str, where: str, words: str
) -> None:
    fault = one_fault_of(tmp_path, shop(analysis))

    assert fault.path == f"services.catalog.environments.production.analysis.{where}"
    assert words in fault.message


def test_declared_steps_beside_a_budget_are_a_fault(tmp_path: Path) -> None:
    more = "        canary: [{weight: 10, bake: 5m}]\n"

    fault = one_fault_of(tmp_path, shop(f"{TRAFFIC}, {CHECKOUTS}, harm_budget: {{failed_requests: 200}}", more))

    assert fault.path == "services.catalog.environments.production.canary"
    assert "leave `canary` out, or the budget" in fault.message


def test_a_policy_file_is_an_analysis_alone(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("version: 1\nanalysis: {minimum_effect: 3, latency: {}}\n")

    policy = load_policy(file)

    assert (policy.minimum_effect, policy.latency, policy.floor_error_ratio) == (3.0, LatencyRule(), 0.2)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("version: 1\nanalysis:\n  minimum_efect: 3\n", 3, "did you mean minimum_effect?"),
        ("version: 1\n", 1, "has to be written"),
        ("", 1, "empty"),
    ],
)
def test_faults_of_a_policy_file_have_their_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(text)

    with pytest.raises(DeclarationError) as caught:
        load_policy(file)

    assert caught.value.faults[0].line == line
    assert words in caught.value.faults[0].message
