"""What a Dockerfile takes from outside, and what of it is not named by its content."""

import pytest

from shopkart_pipeline.adapters._dockerfile import asks_for, sources_of

_DIGEST = f"sha256:{'a' * 64}"
_PINNED = f"python:3.11@{_DIGEST}"


def _loose(text: str, **arguments: str) -> tuple[str, ...]:
    return sources_of(text, arguments).unpinned()


@pytest.mark.parametrize(
    "text",
    [
        f"FROM {_PINNED}\nRUN pip install x\n",
        f"FROM --platform=linux/amd64 {_PINNED} AS build\nFROM build\nCOPY --from=build /a /a\nCOPY --from=0 /b /b\n",
        "FROM scratch\nCOPY . /\n",
        f"ARG BASE={_PINNED}\nFROM ${{BASE}}\n",
        f"FROM {_PINNED} AS Build\nRUN --mount=type=bind,from=build,target=/x ls /x\nCOPY --from=BUILD a b\n",
        f"FROM {_PINNED}\nADD --checksum={_DIGEST} https://files.example/a.tar /\nADD local.tar /\n",
        f"# syntax=docker/dockerfile:1@{_DIGEST}\nFROM scratch\n",
        f"FROM {_PINNED}\nRUN <<EOF\nFROM python:3.11\nCOPY --from=alpine a b\nEOF\n",
        f"FROM {_PINNED}\nCOPY <<one <<'two' /x/\nADD https://a b\none\nFROM x\ntwo\n",
        f"FROM \\\n  # the base\n  {_PINNED}\n# FROM python:3.11\n",
        f"from {_PINNED} as build\ncopy --from=build a b\n",
    ],
)
def test_what_is_named_by_digest_is_pinned(text: str) -> None:
    assert _loose(text) == ()


@pytest.mark.parametrize(
    ("text", "loose"),
    [
        ("FROM python:3.11\n", "python:3.11"),
        ("FROM python\n", "python"),
        (f"FROM {_PINNED}\nCOPY --from=busybox:1 /bin /bin\n", "busybox:1"),
        (f"FROM {_PINNED}\nRUN --mount=type=cache,target=/c --mount=from=alpine,target=/a ls\n", "alpine"),
        (f"FROM {_PINNED}\nADD https://files.example/latest.tar /\n", "https://files.example/latest.tar"),
        (f"FROM {_PINNED}\nADD ${{WHERE}} /\n", "${WHERE}"),
        ("# syntax=docker/dockerfile:1\nFROM scratch\n", "docker/dockerfile:1"),
        ("ARG BASE\nFROM ${BASE}\n", "${BASE}"),
        ("ARG BASE\nFROM ${BASE:-python:3.11}\n", "python:3.11"),
        ("ARG BASE=python:3.11\nFROM $BASE\n", "python:3.11"),
        (f"FROM python@sha256:{'a' * 63}\n", f"python@sha256:{'a' * 63}"),
        # A stage is known from where it begins, not before.
        (f"FROM {_PINNED}\nCOPY --from=later a b\nFROM scratch AS later\n", "later"),
        (f"FROM {_PINNED}\nCOPY --from=1 a b\n", "1"),
    ],
)
def test_what_is_named_by_tag_or_not_known_is_not(text: str, loose: str) -> None:
    assert _loose(text) == (loose,)


def test_an_argument_of_the_build_counts_more_than_the_default() -> None:
    text = "ARG BASE=python:3.11\nFROM ${BASE}\n"

    assert _loose(text, BASE=_PINNED) == ()
    assert sources_of(text, {"BASE": "handed"}).unpinned(["handed"]) == ()


def test_an_argument_inside_of_a_stage_changes_no_image() -> None:
    text = f"ARG BASE=python:3.11\nFROM {_PINNED}\nARG BASE={_PINNED}\nFROM ${{BASE}}\n"

    assert _loose(text) == ("python:3.11",)


def test_each_source_is_named_once() -> None:
    assert _loose("FROM a:1\nCOPY --from=b:1 x y\nFROM a:1\n") == ("a:1", "b:1")


@pytest.mark.parametrize("text", ["ARG APPLICATION=build\n", "arg APPLICATION\n", "  ARG   APPLICATION\n"])
def test_a_declared_argument_is_asked_for(text: str) -> None:
    assert asks_for(text, "APPLICATION")


@pytest.mark.parametrize("text", ["", "# ARG APPLICATION\n", "ARG APPLICATIONS\n", "RUN <<X\nARG APPLICATION\nX\n"])
def test_another_word_is_not(text: str) -> None:
    assert not asks_for(text, "APPLICATION")


@pytest.mark.parametrize(
    "text", ["", "\\", "FROM", "FROM \\", "RUN <<EOF\n", "COPY --from=", "\x00\nFROM a", "FROM ${"]
)
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    sources_of(text, {})
