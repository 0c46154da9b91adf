"""The control map claims nothing that the declaration does not have."""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.code_host import CodeHostPolicy, Command
from shopkart_pipeline.domain.control_frameworks import PCI_DSS, REQUIREMENTS, SLSA, SOC_2
from shopkart_pipeline.domain.controls import Answer, Control, assess
from shopkart_pipeline.domain.declaration import LeftOut, Pipeline, Service, StageKind
from shopkart_pipeline.services.render_controls import controls_page
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return load(SHIPPED_DECLARATION, home=Path("/nowhere"))


def control(pipeline: Pipeline, framework: str, number: str) -> Control:
    [found] = [
        each
        for each in assess(pipeline, REQUIREMENTS)
        if (each.requirement.framework, each.requirement.number) == (framework, number)
    ]
    return found


def without(pipeline: Pipeline, kind: StageKind, reason: str = "too slow") -> Pipeline:
    """The declaration with a stage left out in all services."""

    def less(service: Service) -> Service:
        stages = tuple(stage for stage in service.stages if stage.kind is not kind)
        gates = tuple(gate for gate in service.gates if gate.stage != kind.value)
        return replace(
            service,
            stages=stages,
            gates=gates,
            left_out=(*service.left_out, LeftOut(service.name, kind.value, None, reason)),
        )

    return replace(pipeline, services={name: less(each) for name, each in pipeline.services.items()})


def test_the_page_in_the_documentation_is_what_the_declaration_gives(pipeline: Pipeline) -> None:
    page = Path(__file__).parents[3] / "docs" / "controls.md"

    assert page.read_text() == controls_page(pipeline), "run `shopkart controls --out docs/controls.md`"


def test_every_requirement_is_there_once_and_says_something() -> None:
    names = [(each.framework, each.number) for each in REQUIREMENTS]

    assert len(set(names)) == len(names)
    assert {name for name, _ in names} == {SLSA, SOC_2, PCI_DSS}
    assert all(each.means or each.beyond for each in REQUIREMENTS)


def test_a_stage_that_is_left_out_is_a_gap_with_its_reason(pipeline: Pipeline) -> None:
    found = control(without(pipeline, StageKind.ATTESTATIONS), SLSA, "Build L1")

    assert (found.answer, found.evidence) == (Answer.GAP, ())
    assert found.lacks == ("stage `attestations` is left out: too slow",)


def test_a_gate_that_is_missing_is_named(pipeline: Pipeline) -> None:
    bare = replace(pipeline, services={name: replace(each, gates=()) for name, each in pipeline.services.items()})

    found = control(bare, SOC_2, "Tests changes")

    assert found.answer is Answer.IN_PART
    assert "there is no gate `unit_tests.failed`" in found.lacks


def test_what_one_service_lacks_is_about_that_service(pipeline: Pipeline) -> None:
    frontend = without(pipeline, StageKind.UNIT_TESTS).services["frontend"]
    mixed = replace(pipeline, services={**pipeline.services, "frontend": frontend})

    found = control(mixed, SOC_2, "Tests changes")

    assert found.answer is Answer.IN_PART
    assert found.lacks == ("frontend: stage `unit_tests` is left out: too slow",)


def test_without_a_code_host_nobody_claims_reviews(pipeline: Pipeline) -> None:
    found = control(pipeline, SLSA, "Source L4")

    assert found.answer is Answer.GAP
    assert any("no code host is declared" in why for why in found.lacks)


def test_approvals_in_comments_are_the_code_hosts_word(pipeline: Pipeline) -> None:
    commands = {Command.APPROVE: ("maya@shopkart.example",)}
    host = replace(pipeline, code_host=CodeHostPolicy(commands=commands))

    found = control(host, SOC_2, "Approves changes")

    assert found.answer is Answer.IN_PART
    assert "comments may approve (`github.commands.approve`), which rest on the code host's word" in found.lacks


@pytest.mark.parametrize(("days", "words"), [("40", "may be 40 days old"), ("soon", "is 'soon', no number of days")])
def test_advisories_that_may_be_old_are_told(pipeline: Pipeline, days: str, words: str) -> None:
    def lenient(service: Service) -> Service:
        scans = (StageKind.DEPENDENCY_SCAN, StageKind.IMAGE_SCAN)
        options = {"maximum_age_days": days}
        return replace(
            service,
            stages=tuple(replace(each, options=options) if each.kind in scans else each for each in service.stages),
        )

    old = replace(pipeline, services={name: lenient(each) for name, each in pipeline.services.items()})

    found = control(old, PCI_DSS, "6.3.1")

    assert found.answer is Answer.IN_PART
    assert any(words in each for each in found.lacks)


def test_a_hosted_platform_is_claimed_only_where_somebody_declares_it(pipeline: Pipeline) -> None:
    def hosted(service: Service) -> Service:
        stages = [
            replace(stage, options={"build_level": "2"}) if stage.kind is StageKind.ATTESTATIONS else stage
            for stage in service.stages
        ]
        return replace(service, stages=tuple(stages))

    declared = replace(pipeline, services={name: hosted(each) for name, each in pipeline.services.items()})

    assert control(pipeline, SLSA, "Build L2").answer is Answer.IN_PART
    assert control(declared, SLSA, "Build L2").answer is Answer.ANSWERED
    assert control(declared, SLSA, "Build L3").answer is Answer.IN_PART


def test_four_eyes_that_are_closed_are_told(pipeline: Pipeline) -> None:
    def alone(service: Service) -> Service:
        deployment = service.deployments["production"]
        assert deployment.approvals is not None
        deployment = replace(deployment, approvals=replace(deployment.approvals, four_eyes=False))
        return replace(service, deployments={**service.deployments, "production": deployment})

    lax = replace(pipeline, services={name: alone(each) for name, each in pipeline.services.items()})

    assert "authors may approve their own work" in control(lax, PCI_DSS, "6.5.4").lacks


def test_what_no_pipeline_can_show_is_never_answered() -> None:
    assert all(
        each.answer is not Answer.ANSWERED
        for each in assess(load(SHIPPED_DECLARATION, home=Path("/nowhere")), REQUIREMENTS)
        if each.requirement.beyond
    )
