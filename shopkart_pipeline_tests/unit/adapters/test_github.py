"""GitHub's deliveries: signed or not, and what a push or a pull request says; anything else is untrusted input, and
nothing worse. Published payloads are in `samples/github`."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters.github import GitHubForge, is_signed, signature_of
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import Ignored, PullRequestEvent, Push
from shopkart_pipeline.ports.inbox import Delivery

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
SECRET, BODY = "It's a Secret to Everybody", b"Hello, World!"
PUBLISHED = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
"""From GitHub's "Validating webhook deliveries"."""
SHA, BEFORE, NOTHING = "a" * 40, "b" * 40, "0" * 40
PAYLOAD: dict[str, Any] = {
    "ref": "refs/heads/main",
    "before": BEFORE,
    "after": SHA,
    "repository": {"full_name": "shopkart/storefront", "id": 1},
    "sender": {"login": "ana"},
    "commits": [],
}


SAMPLES = Path(__file__).parents[2] / "samples" / "github"


def sample(name: str) -> dict[str, Any]:
    """A published payload."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def read(payload: object, event: str = "push") -> Push | PullRequestEvent | Ignored:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return GitHubForge().read(Delivery("d", event, NOON, body))


# Signatures.


def test_the_published_vector_holds() -> None:
    assert signature_of(BODY, SECRET) == PUBLISHED
    assert is_signed(BODY, PUBLISHED, [SECRET])


def test_any_of_several_secrets_will_do_while_they_are_rotated() -> None:
    assert is_signed(BODY, PUBLISHED, ["old", SECRET])
    assert is_signed(BODY, PUBLISHED, [SECRET, "new"])


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        PUBLISHED.removeprefix("sha256="),
        PUBLISHED.upper(),
        PUBLISHED.replace("sha256", "sha1"),
        PUBLISHED[:-1],
        f"{PUBLISHED} ",
        f" {PUBLISHED}",
        f"{PUBLISHED},{PUBLISHED}",
        "sha256=é",
        "sha256=" + "0" * 64,
    ],
)
def test_anything_but_the_exact_signature_is_none(signature: str | None) -> None:
    assert not is_signed(BODY, signature, [SECRET])


def test_another_body_or_secret_does_not_fit() -> None:
    assert not is_signed(b"Hello, World", PUBLISHED, [SECRET])
    assert not is_signed(BODY, PUBLISHED, ["its a secret"])
    assert not is_signed(BODY, PUBLISHED, [])


@given(st.binary(max_size=200), st.text(min_size=1, max_size=40), st.text(max_size=100))
def test_only_the_holder_of_the_secret_can_sign(body: bytes, secret: str, guess: str) -> None:
    assert is_signed(body, signature_of(body, secret), [secret])
    assert not is_signed(body, guess, [secret])


# Pushes.


def test_a_push_says_what_moved_where_and_by_whom() -> None:
    assert read(PAYLOAD) == Push("shopkart/storefront", "main", SHA, BEFORE, "ana")


def test_the_published_push_is_read() -> None:
    after = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"

    assert read(sample("push.branch")) == Push("Codertocat/Hello-World", "master", after, None, "Codertocat")


def test_a_new_branch_stood_nowhere_before() -> None:
    push = read(PAYLOAD | {"before": NOTHING})

    assert isinstance(push, Push)
    assert push.previous_sha is None


@pytest.mark.parametrize("branch", ["feature/x", "release-1.2", "ä", "refs/heads/main"])
def test_a_branch_may_have_any_name(branch: str) -> None:
    push = read(PAYLOAD | {"ref": f"refs/heads/{branch}"})

    assert isinstance(push, Push)
    assert push.branch == branch


@pytest.mark.parametrize("login", ["ana", "dependabot[bot]", "ana_shopkart", "a-b"])
def test_people_and_programs_push(login: str) -> None:
    push = read(PAYLOAD | {"sender": {"login": login}})

    assert isinstance(push, Push)
    assert push.actor == login


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (PAYLOAD | {"ref": "refs/tags/v1"}, "is not a branch"),
        (PAYLOAD | {"ref": "refs/heads/"}, "is not a branch"),
        (PAYLOAD | {"ref": "refs/heads/a b"}, "is not a branch"),
        (PAYLOAD | {"after": NOTHING}, "was deleted"),
    ],
)
def test_what_asks_for_nothing_is_ignored_with_a_reason(payload: dict[str, Any], reason: str) -> None:
    ignored = read(payload)

    assert isinstance(ignored, Ignored)
    assert reason in ignored.reason


@pytest.mark.parametrize("event", ["installation", "workflow_run", ""])
def test_other_events_are_ignored_unread(event: str) -> None:
    assert read(b"\xff not even text", event) == Ignored(f"the event {event} asks for nothing")


_UNTRUSTED: list[Any] = [
    b"",
    b"null",
    b"[]",
    b'"push"',
    b"{",
    b"\xff\xfe",
    b"[" * 200_000,
    b"1" * 10_000,
    {},
    *(
        {name: value for name, value in PAYLOAD.items() if name != left_out}
        for left_out in PAYLOAD
        if left_out != "commits"
    ),
    PAYLOAD | {"ref": 1},
    PAYLOAD | {"ref": ""},
    PAYLOAD | {"after": "a" * 39},
    PAYLOAD | {"after": "A" * 40},
    PAYLOAD | {"after": f"{'a' * 40}\n"},
    PAYLOAD | {"after": "--upload-pack=x".ljust(40, "a")},
    PAYLOAD | {"before": None},
    PAYLOAD | {"before": "main"},
    PAYLOAD | {"repository": "shopkart/storefront"},
    PAYLOAD | {"repository": {}},
    PAYLOAD | {"repository": {"full_name": "storefront"}},
    PAYLOAD | {"repository": {"full_name": "../../etc/passwd"}},
    PAYLOAD | {"repository": {"full_name": "a/b/c"}},
    PAYLOAD | {"repository": {"full_name": "shopkart/store front"}},
    PAYLOAD | {"sender": None},
    PAYLOAD | {"sender": {"login": ""}},
    PAYLOAD | {"sender": {"login": ["ana"]}},
    PAYLOAD | {"sender": {"login": "[bold red]ana"}},
    PAYLOAD | {"sender": {"login": "ana\nadmin"}},
]


@pytest.mark.parametrize("payload", _UNTRUSTED)
def test_a_push_that_is_not_what_it_should_be_is_untrusted(payload: object) -> None:
    with pytest.raises(UntrustedInput) as caught:
        read(payload)

    assert caught.value.fix
    assert len(caught.value.what) < 200


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_LIKELY = st.sampled_from(["refs/heads/main", "refs/tags/v1", SHA, NOTHING, "shopkart/storefront", "ana"])
_PAYLOADS = st.fixed_dictionaries(
    {},
    optional={
        "ref": _LIKELY | _JSON,
        "before": _LIKELY | _JSON,
        "after": _LIKELY | _JSON,
        "repository": st.fixed_dictionaries({"full_name": _LIKELY | _JSON}) | _JSON,
        "sender": st.fixed_dictionaries({"login": _LIKELY | _JSON}) | _JSON,
    },
)


@given(_PAYLOADS | _JSON)
def test_any_json_is_a_push_ignored_or_untrusted(payload: object) -> None:
    try:
        told = read(payload)
    except UntrustedInput:
        return

    assert isinstance(told, Push | Ignored)


# Pull requests.

OPENED = PullRequestEvent(
    repository="Codertocat/Hello-World",
    number=2,
    branch="master",
    base_sha="f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
    sha="ec26c3e57ca3a959ca5aad62de7213c562f8c821",
    from_fork=False,
    is_open=True,
    is_merged=False,
    updated_at=datetime(2019, 5, 15, 15, 20, 33, tzinfo=UTC),
    actor="Codertocat",
)


def proposal(**details: Any) -> dict[str, Any]:
    """The published payload of an opened pull request, with other details of the pull request itself."""
    payload = sample("pull_request.opened")
    payload["pull_request"] |= details
    return payload


@pytest.mark.parametrize("action", ["opened", "synchronize", "reopened"])
def test_a_published_pull_request_is_read(action: str) -> None:
    assert read(sample(f"pull_request.{action}"), "pull_request") == OPENED


def test_a_draft_that_is_ready_is_proposed_as_it_was() -> None:
    later = datetime(2019, 5, 15, 15, 21, 18, tzinfo=UTC)

    assert read(sample("pull_request.ready_for_review"), "pull_request") == replace(OPENED, updated_at=later)


def test_a_closed_pull_request_says_whether_it_was_merged() -> None:
    payload = sample("pull_request.closed")
    closed = read(payload, "pull_request")
    payload["pull_request"]["merged"] = True
    merged = read(payload, "pull_request")

    assert isinstance(closed, PullRequestEvent)
    assert isinstance(merged, PullRequestEvent)
    assert [(event.is_open, event.is_merged) for event in (closed, merged)] == [(False, False), (False, True)]


@pytest.mark.parametrize("home", [None, {}, "x", {"full_name": "stranger/Hello-World"}, {"full_name": None}])
def test_a_head_that_is_not_for_certain_ours_is_from_a_fork(home: object) -> None:
    told = read(proposal(head={"sha": SHA, "repo": home}), "pull_request")

    assert isinstance(told, PullRequestEvent)
    assert told.from_fork


def test_another_base_proposes_anew_and_another_title_does_not() -> None:
    moved = proposal() | {"action": "edited", "changes": {"base": {"ref": {"from": "old"}}}}
    renamed = proposal() | {"action": "edited", "changes": {"title": {"from": "old"}}}

    assert read(moved, "pull_request") == OPENED
    assert isinstance(read(renamed, "pull_request"), Ignored)


def test_an_action_that_changes_no_head_asks_for_nothing() -> None:
    assert read(sample("pull_request.labeled"), "pull_request") == Ignored(
        "a pull request that was 'labeled' asks for nothing"
    )


_HOSTILE_DETAILS: list[dict[str, Any]] = [
    {"head": None},
    {"head": {"sha": "main"}},
    {"head": {"sha": "--upload-pack=x".ljust(40, "a")}},
    {"base": {"ref": "main"}},
    {"base": {"ref": "a b", "sha": SHA}},
    {"base": {"ref": "", "sha": SHA}},
    {"base": {"ref": "main", "sha": NOTHING[:39]}},
    {"updated_at": None},
    {"updated_at": "yesterday"},
    {"updated_at": "2019-05-15T15:20:33"},
]


@pytest.mark.parametrize("details", _HOSTILE_DETAILS)
def test_a_pull_request_that_is_not_what_it_should_be_is_untrusted(details: dict[str, Any]) -> None:
    with pytest.raises(UntrustedInput):
        read(proposal(**details), "pull_request")


@pytest.mark.parametrize("number", [None, 0, -1, True, "7", "7/head:refs/heads/main", 1.5, 10**9])
def test_a_number_that_no_pull_request_has_is_untrusted(number: object) -> None:
    with pytest.raises(UntrustedInput):
        read(proposal() | {"number": number}, "pull_request")


@given(st.sampled_from(["action", "number", "pull_request", "repository", "sender"]), _JSON)
def test_any_json_in_a_pull_request_is_read_ignored_or_untrusted(key: str, value: object) -> None:
    try:
        told = read(proposal() | {key: value}, "pull_request")
    except UntrustedInput:
        return

    assert isinstance(told, PullRequestEvent | Ignored)


@given(st.sampled_from(["head", "base", "merged", "updated_at", "state"]), _JSON)
def test_any_json_inside_of_a_pull_request_is_read_ignored_or_untrusted(key: str, value: object) -> None:
    try:
        told = read(proposal(**{key: value}), "pull_request")
    except UntrustedInput:
        return

    assert isinstance(told, PullRequestEvent | Ignored)


def test_the_head_is_handed_out_by_the_repository_that_is_to_be_changed() -> None:
    assert GitHubForge().head_reference(7) == "refs/pull/7/head"


@given(st.binary(max_size=300))
def test_any_bytes_are_ignored_or_untrusted(body: bytes) -> None:
    with pytest.raises(UntrustedInput):
        read(body)
