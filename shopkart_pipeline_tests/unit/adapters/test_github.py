"""GitHub's deliveries: signed or not, and what a push says; anything else is untrusted input, and nothing worse."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters.github import GitHubForge, is_signed, signature_of
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import Ignored, Push
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


def read(payload: object, event: str = "push") -> Push | Ignored:
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


@pytest.mark.parametrize("event", ["ping", "pull_request", "workflow_run", ""])
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


@given(st.binary(max_size=300))
def test_any_bytes_are_ignored_or_untrusted(body: bytes) -> None:
    with pytest.raises(UntrustedInput):
        read(body)
