"""Lock files: what is pinned, and what is no lock."""

import pytest

from shopkart_pipeline.adapters._locked_packages import allowed_hashes, parse_lock
from shopkart_pipeline.adapters._packages import Package

LOCK = """\
# made by uv
--index-url https://pypi.example/simple
anyio==4.16.0 \\
    --hash=sha256:aaa \\
    --hash=sha256:bbb
    # via starlette
Typing_Extensions[all]==4.16.0 ; python_full_version < '3.15' \\
    --hash=sha256:ccc
torch==2.0.1+cpu --hash=sha256:ddd
"""


def test_packages_are_read_with_version_and_place() -> None:
    assert parse_lock(LOCK) == (
        Package("anyio", "4.16.0", 3),
        Package("typing-extensions", "4.16.0", 7, conditional=True),
        Package("torch", "2.0.1+cpu", 9),
    )


def test_an_empty_lock_names_nothing() -> None:
    assert parse_lock("# nothing\n\n") == ()


@pytest.mark.parametrize(
    "line",
    [
        "anyio",
        "anyio>=4",
        "anyio==4.*",
        "anyio==4,!=4.1",
        "anyio @ https://example.com/anyio.whl",
        "-r other.lock",
        "-e .",
        "--requirement other.lock",
        "== nonsense ==",
    ],
)
def test_what_is_not_pinned_is_no_lock(line: str) -> None:
    with pytest.raises(ValueError, match="line 2"):
        parse_lock(f"h11==0.16.0\n{line}\n")


def test_the_hashes_that_a_lock_allows_are_told_by_package() -> None:
    text = f"""six==1.16.0 ; python_version > "3" \\
    --hash=sha256:{"a" * 64} \\
    --hash sha512:{"b" * 128}  # via nothing
anyio==4.4.0
"""
    assert {each.name: hashes for each, hashes in allowed_hashes(text).items()} == {
        "six": (f"sha256:{'a' * 64}", f"sha512:{'b' * 128}"),
        "anyio": (),
    }
