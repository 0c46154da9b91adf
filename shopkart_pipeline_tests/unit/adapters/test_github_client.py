"""The client speaks with a GitHub that really listens: credentials, limits, pages, ETags, and what errors say."""

import logging
import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters._github_answers import AnswerStore
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_identity import GitHubCredentials
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused, UntrustedInput
from shopkart_pipeline.ports.code_host import TryLater
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Trouble, running_github
from shopkart_pipeline_tests.fakes.github_server.accounts import app_credentials, token_credentials
from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint
from shopkart_pipeline_tests.fakes.github_server.trouble import Drop

REPOSITORY = "shopkart/storefront"
ITEMS = f"/repos/{REPOSITORY}/items"


def _items(call: Call) -> Answer:
    return Answer(call.repository.extra["items"], items="")


def _wrapped(call: Call) -> Answer:
    items = call.repository.extra["items"]
    return Answer({"total_count": len(items), "things": items}, items="things")


def _leading_away(_: Call) -> Answer:
    return Answer([1], headers={"Link": '<http://evil.example/items?page=2>; rel="next"'})


def _made(_: Call) -> Answer:
    return Answer({"id": 1}, 201)


def _garbled(call: Call) -> Answer:
    return Answer(raw=call.repository.extra["garbled"])


ENDPOINTS = [
    Endpoint("GET", "/repos/{owner}/{repo}/garbled", None, _garbled),
    Endpoint("GET", "/repos/{owner}/{repo}/items", "contents=read", _items),
    Endpoint("GET", "/repos/{owner}/{repo}/things", "contents=read", _wrapped),
    Endpoint("POST", "/repos/{owner}/{repo}/items", "checks=write", _made),
    Endpoint("GET", "/repos/{owner}/{repo}/away", None, _leading_away),
]


class World:
    """A served world, and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock(datetime.now(UTC))
        self.github = GitHubWorld(self.clock)
        self.repository = self.github.add(REPOSITORY, "a" * 40)
        self.repository.extra["items"] = [{"id": number} for number in range(5)]
        self.folder = folder
        self.api = ""

    def as_app(self, answers: AnswerStore | None = None, **more: Any) -> GitHubClient:
        return GitHubClient(app_credentials(self.github, self.api, self.folder), self.clock, answers, **more)

    def as_user(self) -> GitHubClient:
        return GitHubClient(token_credentials(self.github, self.api), self.clock)


@pytest.fixture
def world(tmp_path: Path) -> Generator[World]:
    made = World(tmp_path)
    with running_github(made.github, ENDPOINTS) as made.api:
        yield made


def post(client: GitHubClient) -> Any:
    return client.ask(REPOSITORY, lambda github: github.plainly("POST", ITEMS))


@pytest.mark.parametrize("name_app", [lambda app: str(app.id), lambda app: app.client_id], ids=["id", "client id"])
def test_an_app_acts_by_its_installations_token(world: World, name_app: Callable[[Any], str]) -> None:
    key = world.folder / "key.pem"
    key.write_text(world.github.app.new_key())
    client = GitHubClient(GitHubCredentials(world.api, name_app(world.github.app), key), world.clock)
    assert client.itself()["slug"] == "shopkart-pipeline"
    assert len(client.get_all(REPOSITORY, ITEMS)) == 5
    assert client.get_all(REPOSITORY, ITEMS)
    assert len(world.github.asked("POST", "/access_tokens")) == 1


def test_a_token_acts_for_its_owner(world: World) -> None:
    client = world.as_user()
    assert client.itself()["login"] == "shopkart-ci"
    assert len(client.get_all(REPOSITORY, ITEMS)) == 5


def test_an_enterprise_server_is_asked_below_its_path(world: World) -> None:
    world.repository.extra["items"] = list(range(101))
    world.api += "/api/v3"
    assert len(world.as_app().get_all(REPOSITORY, ITEMS)) == 101


def test_an_installations_token_is_renewed_before_it_ends(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    world.clock.time += timedelta(minutes=54)
    client.get(REPOSITORY, ITEMS)
    assert len(world.github.asked("POST", "/access_tokens")) == 1
    world.clock.time += timedelta(minutes=2)
    client.get(REPOSITORY, ITEMS)
    assert len(world.github.asked("POST", "/access_tokens")) == 2
    assert [seen.status for seen in world.github.asked("GET", "/items")] == [200, 200, 200]


def test_a_token_that_was_taken_away_is_replaced_and_the_request_sent_again(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    world.github.tokens.clear()
    assert client.get(REPOSITORY, ITEMS)
    assert [seen.status for seen in world.github.asked("GET", "/items")] == [200, 401, 200]


def test_a_new_key_is_read_when_the_old_one_does_not_count(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    (world.folder / "app.pem").write_text(world.github.app.new_key())
    world.github.tokens.clear()
    assert client.get(REPOSITORY, ITEMS)


def test_a_key_that_is_not_the_apps_is_refused_after_two_tries(world: World) -> None:
    client = world.as_app()
    world.github.app.new_key()
    with pytest.raises(Refused, match=r"401 .* valid"):
        client.get(REPOSITORY, ITEMS)
    assert len(world.github.requests) == 2


def test_a_token_that_does_not_count_is_not_tried_twice(world: World) -> None:
    client = world.as_user()
    world.github.users.clear()
    with pytest.raises(Refused, match="Bad credentials"):
        client.get(REPOSITORY, ITEMS)
    assert len(world.github.requests) == 1


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_text("-----BEGIN nothing")])
def test_a_key_file_that_cannot_be_used_stops_everything_for_a_while(
    world: World, spoil: Callable[[Path], Any]
) -> None:
    client = world.as_app()
    spoil(world.folder / "app.pem")
    with pytest.raises(TryLater, match="private key") as caught:
        client.get(REPOSITORY, ITEMS)
    assert caught.value.everything
    assert caught.value.until == world.clock.now() + timedelta(minutes=1)


def test_a_child_opens_its_own_connections(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)

    child = os.fork()
    if child == 0:
        try:
            client.get(REPOSITORY, ITEMS)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert client.get(REPOSITORY, ITEMS)
    assert len({seen.port for seen in world.github.asked("GET", "/items")}) == 2


def test_an_app_that_is_not_installed_finds_nothing(world: World) -> None:
    world.github.installed_for.clear()
    with pytest.raises(NotFound, match="installed"):
        world.as_app().get(REPOSITORY, ITEMS)


def test_a_missing_permission_is_named(world: World) -> None:
    world.github.app.permissions["checks"] = "read"
    with pytest.raises(Refused, match=r"not accessible by integration.*checks=write"):
        post(world.as_app())


def test_used_up_quota_is_waited_for_until_it_begins_anew(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    world.github.remaining = 0
    with pytest.raises(TryLater, match="rate limit") as caught:
        client.get(REPOSITORY, ITEMS)
    assert caught.value.everything
    assert caught.value.until > world.clock.now() + timedelta(minutes=59)
    world.clock.time = caught.value.until
    assert client.get(REPOSITORY, ITEMS)


@pytest.mark.parametrize(
    ("trouble", "pause_seconds", "everything"),
    [
        (Trouble.secondary_limit(), 60, True),
        (Trouble(status=429), 60, True),
        (Trouble(status=429, headers={"Retry-After": "soon"}), 60, True),
        (Trouble(status=429, headers={"Retry-After": "7"}), 7, True),
        (Trouble(status=403, headers={"Retry-After": "30"}), 30, True),
        (Trouble(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}), 7200, True),
        (Trouble(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}), 1, True),
        (Trouble(status=500), 15, False),
        (Trouble(status=502), 15, False),
        (Trouble(status=503, headers={"Retry-After": "120"}), 120, False),
        (Trouble(drop=Drop.BEFORE), 15, False),
        (Trouble(drop=Drop.AFTER), 15, False),
        (Trouble(delay_seconds=1.0), 15, False),
    ],
)
def test_outages_and_limits_say_when_to_ask_again(
    world: World, trouble: Trouble, pause_seconds: int, everything: bool
) -> None:
    client = world.as_app(timeout_seconds=0.5)
    client.get(REPOSITORY, ITEMS)
    trouble.path_end = "/items"
    world.github.troubles.make(trouble)
    with pytest.raises(TryLater) as caught:
        client.get(REPOSITORY, ITEMS)
    assert caught.value.until == world.clock.now() + timedelta(seconds=pause_seconds)
    assert caught.value.everything is everything
    assert client.get(REPOSITORY, ITEMS)


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (410, NotFound), (409, Refused), (307, Refused)])
def test_what_never_works_is_not_asked_for_again(world: World, status: int, kind: type[PipelineError]) -> None:
    client = world.as_app()
    world.github.troubles.make(Trouble(status=status, path_end="/items", message="It is so.\x1b[31m\u202e"))
    with pytest.raises(kind, match="It is so") as caught:
        client.get(REPOSITORY, ITEMS)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)
    assert len(world.github.asked("GET", "/items")) == 1


def test_nothing_that_listens_is_an_outage(world: World) -> None:
    client = GitHubClient(GitHubCredentials("http://127.0.0.1:9", token="github_pat_x"), world.clock)
    with pytest.raises(TryLater, match="does not answer GET /user"):
        client.itself()


def test_pages_are_followed_and_end(world: World) -> None:
    world.repository.extra["items"] = list(range(250))
    client = world.as_app()
    assert client.get_all(REPOSITORY, ITEMS) == list(range(250))
    assert client.get_all(REPOSITORY, f"/repos/{REPOSITORY}/things", key="things") == list(range(250))
    with pytest.raises(Refused, match="more than 2 pages"):
        client.get_all(REPOSITORY, ITEMS, maximum_pages=2)


def test_pages_are_not_transferred_before_they_are_needed(world: World) -> None:
    world.repository.extra["items"] = list(range(250))
    assert next(world.as_app().each(REPOSITORY, ITEMS)) == 0
    assert len(world.github.asked("GET", "/items")) == 1


def test_a_list_that_is_none_is_no_empty_list(world: World) -> None:
    with pytest.raises(TryLater, match="no list"):
        world.as_app().get_all(REPOSITORY, f"/repos/{REPOSITORY}/things")


@pytest.mark.parametrize("content", [b"<html>It works!</html>", b'[{"id": 1}, {"i', b"\xff\xfe"])
def test_an_answer_that_is_no_document_is_asked_for_again(world: World, content: bytes) -> None:
    world.repository.extra["garbled"] = content  # As a proxy in between may send it.
    with pytest.raises(TryLater, match="no JSON"):
        world.as_app(AnswerStore(world.folder / "answers.db")).get(REPOSITORY, f"/repos/{REPOSITORY}/garbled")


def test_a_link_to_another_server_is_not_followed(world: World) -> None:
    with pytest.raises(UntrustedInput, match="another server"):
        world.as_app().get_all(REPOSITORY, f"/repos/{REPOSITORY}/away")


def test_what_has_not_changed_is_neither_transferred_nor_counted(world: World) -> None:
    world.repository.extra["items"] = list(range(150))
    store = AnswerStore(world.folder / "answers.db")
    client = world.as_app(store)
    first = client.get_all(REPOSITORY, ITEMS)
    left = world.github.remaining
    assert client.get_all(REPOSITORY, ITEMS) == first
    assert [seen.status for seen in world.github.asked("GET", "/items")] == [200, 200, 304, 304]
    assert world.github.remaining == left
    world.repository.extra["items"][0] = "new"
    assert client.get_all(REPOSITORY, ITEMS)[0] == "new"


def test_another_client_goes_on_with_the_answers_of_the_first(world: World) -> None:
    world.as_app(AnswerStore(world.folder / "answers.db")).get(REPOSITORY, ITEMS)
    assert world.as_app(AnswerStore(world.folder / "answers.db")).get(REPOSITORY, ITEMS)
    assert world.github.asked("GET", "/items")[-1].status == 304


def test_answers_are_bounded_in_number(world: World) -> None:
    client = world.as_app(AnswerStore(world.folder / "answers.db", maximum_answers=2))
    for page in (1, 2, 3):
        world.clock.time += timedelta(seconds=1)
        client.get(REPOSITORY, ITEMS, {"page": page})
    for page in (3, 2, 1):
        client.get(REPOSITORY, ITEMS, {"page": page})
    assert [seen.status for seen in world.github.asked("GET", "/items")][3:] == [304, 304, 200]


def test_a_file_that_cannot_be_used_costs_time_alone(world: World) -> None:
    (world.folder / "answers.db").write_bytes(b"no database at all" * 100)
    client = world.as_app(AnswerStore(world.folder / "answers.db"))
    assert client.get(REPOSITORY, ITEMS) == client.get(REPOSITORY, ITEMS)


def test_no_secret_gets_into_a_message_or_a_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    token = next(iter(world.github.tokens))
    told: list[str] = []
    for trouble in (
        Trouble(status=500, message=f"Authorization: token {token}"),
        Trouble(status=422, message=f"token {token}"),
        Trouble(drop=Drop.BEFORE),
    ):
        world.github.troubles.make(trouble)
        with pytest.raises(PipelineError) as caught:
            client.get(REPOSITORY, ITEMS)
        told += [str(caught.value), repr(caught.value), repr(caught.value.__dict__)]
    key = (world.folder / "app.pem").read_text().splitlines()[1]
    assert all(secret not in text for secret in (token, key, "eyJ") for text in [*told, caplog.text, repr(client)])


def test_the_version_of_the_api_is_the_one_that_every_server_speaks(world: World) -> None:
    client = world.as_app()
    client.get(REPOSITORY, ITEMS)
    post(client)
    assert {seen.headers["x-github-api-version"] for seen in world.github.requests} == {"2022-11-28"}
