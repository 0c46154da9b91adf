"""How branches stand beside what is declared about them, and what is remembered of it."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.services.check_branches import BRANCH_PROTECTION, BranchReport, check_branch, release_branches
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World
from shopkart_pipeline_tests.unit.domain.test_branch_policy import PROTECTED


@pytest.fixture
def reader(world: World) -> FakeCodeReader:
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
    world.code_reader = reader = FakeCodeReader(world.clock)
    reader.rules[REPOSITORY, "main"] = PROTECTED
    return reader


def check(world: World) -> BranchReport:
    [branch] = release_branches(world.pipeline)
    return check_branch(world.platform, branch)


def kept(world: World) -> list[str]:
    return [note.message for note in world.evidence.notes(REPOSITORY, "branch:main", BRANCH_PROTECTION)]


def test_a_branch_needs_the_check_by_which_the_pipeline_tells_how_a_commit_stands(
    world: World, reader: FakeCodeReader
) -> None:
    assert check(world).is_protected
    reader.rules[REPOSITORY, "main"] = replace(PROTECTED, required_checks=("another",))

    report = check(world)

    assert not report.is_protected
    assert report.words == "not as declared: required_checks"
    assert "add “shopkart”" in report.drift[0].fix


@pytest.mark.parametrize("why", ["silent", "without credentials", "unknown"])
def test_what_can_not_be_read_is_not_protected(world: World, reader: FakeCodeReader, why: str) -> None:
    if why == "silent":
        reader.silent = "api.github.com does not answer."
    elif why == "unknown":
        reader.rules.clear()
    else:
        world.code_reader = None

    report = check(world)

    assert not report.is_protected
    assert report.problem
    assert report.words.startswith("could not be read: ")


def test_an_answer_is_remembered_when_it_is_another_one(world: World, reader: FakeCodeReader) -> None:
    check(world)
    check(world)
    reader.rules[REPOSITORY, "main"] = replace(PROTECTED, force_push_allowed=True)
    check(world)

    assert kept(world) == ["protected as declared", "not as declared: no_force_push"]


def test_nothing_is_asked_where_no_code_host_is_declared(world: World) -> None:
    assert release_branches(world.pipeline) == ()
