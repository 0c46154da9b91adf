"""One issue for each incident, at a GitHub that really listens: made once, changed, closed, never somebody else's."""

from collections.abc import Generator
from dataclasses import replace

import pytest

from shopkart_pipeline.adapters.github_issue import GitHubIssue
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline_tests.contract.code_host_worlds import REPOSITORY, GitHubWorldOf, github_world
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.fakes.github_server import Trouble
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop

OPENED = Notification("backend-1/opened", "backend-1", "Errors", "@maya ```look```\n<b>", "https://pipeline.example")
CLOSED = replace(OPENED, key="backend-1/closed", subject="It is over", body="fine", urgency=Urgency.OVER)


@pytest.fixture(scope="module", params=[True, False], ids=["app", "token"])
def github(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[GitHubWorldOf]:
    with github_world(tmp_path_factory.mktemp("github"), as_app=request.param) as world:
        yield world


@pytest.fixture
def world(github: GitHubWorldOf) -> GitHubWorldOf:
    github.repository.issues.clear()
    github.github.troubles.coming.clear()
    return github


def _channel(world: GitHubWorldOf) -> GitHubIssue:
    clock = world.github.clock
    assert isinstance(clock, FixedClock)
    return GitHubIssue("tickets", world.client, REPOSITORY, ("incident",), clock)


def _send(world: GitHubWorldOf, notification: Notification, name: str | None = None) -> str:
    return _channel(world).send(notification, name, maybe_sent=False)


def test_an_incident_becomes_one_issue_that_is_changed_and_closed(world: GitHubWorldOf) -> None:
    name = _send(world, OPENED)
    [issue] = world.repository.issues
    assert (issue["title"], issue["state"], issue["labels"]) == ("Errors", "open", [{"name": "incident"}])
    assert str(issue["number"]) == name

    assert _send(world, CLOSED, name) == name

    [issue] = world.repository.issues
    assert (issue["title"], issue["state"]) == ("It is over", "closed")
    assert "fine" in issue["body"]


def test_what_is_told_stands_in_a_block_that_it_can_not_end(world: GitHubWorldOf) -> None:
    _send(world, OPENED)

    lines = world.repository.issues[0]["body"].splitlines()
    assert lines[1:5] == ["````text", "@maya ```look```", "<b>", "````"]
    assert lines[-1] == "<https://pipeline.example>"


@pytest.mark.parametrize("url", ["https://x.example> @maya", "https://x.example\n# head", "javascript:alert(1)", ""])
def test_an_address_that_is_none_is_left_out(world: GitHubWorldOf, url: str) -> None:
    _send(world, replace(OPENED, url=url))

    assert world.repository.issues[0]["body"].splitlines()[-1] == "````"


def test_an_issue_whose_number_was_lost_is_found_again(world: GitHubWorldOf) -> None:
    other = replace(OPENED, incident_id="backend-10")
    names = [_send(world, OPENED), _send(world, other)]

    assert [_send(world, CLOSED), _send(world, other)] == names
    assert len(world.repository.issues) == 2


def test_an_issue_that_was_made_while_the_connection_broke_is_made_once(world: GitHubWorldOf) -> None:
    world.github.troubles.make(Trouble(writing=True, drop=Drop.AFTER))
    with pytest.raises(NotDelivered):
        _send(world, OPENED)

    _send(world, OPENED)

    assert len(world.repository.issues) == 1


def test_somebody_elses_issue_with_our_mark_is_left_alone(world: GitHubWorldOf) -> None:
    _send(world, OPENED)
    forged = world.repository.issues[0]
    forged["user"] = {"login": "mallory", "id": 666}

    _send(world, CLOSED)

    assert [issue["title"] for issue in world.repository.issues] == ["Errors", "It is over"]


def test_an_issue_that_somebody_deleted_is_made_anew(world: GitHubWorldOf) -> None:
    name = _send(world, OPENED)
    world.repository.issues.clear()

    _send(world, CLOSED, name)

    [issue] = world.repository.issues
    assert issue["state"] == "closed"


def test_a_rest_that_github_asks_for_is_told(world: GitHubWorldOf) -> None:
    world.github.troubles.make(Trouble(status=429, headers={"Retry-After": "77"}))

    with pytest.raises(NotDelivered, match="Channel tickets: GitHub answered 429") as caught:
        _send(world, OPENED)
    assert caught.value.wait_seconds == pytest.approx(77, abs=1)


def test_what_github_does_not_allow_is_refused_with_what_is_missing(world: GitHubWorldOf) -> None:
    world.github.troubles.make(Trouble(status=403, headers={"x-accepted-github-permissions": "issues=write"}))

    with pytest.raises(Refused, match="issues=write"):
        _send(world, OPENED)
