"""What is sealed opens with its key and under its name, whole or not at all."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters._sealed import Damaged, Sealer, opened, signature

KEY, OTHER = bytes(range(32)), bytes(32)
MIB = 1 << 20


def sealed(content: bytes, key: bytes = KEY, name: str = "shop/1", step: int = 300_000) -> bytes:
    sealer = Sealer(key, name)
    pieces = [sealer.seal(content[start : start + step]) for start in range(0, len(content), step)]
    return b"".join([*pieces, sealer.end()])


def pieces_of(content: bytes, step: int = 70_001) -> Iterator[bytes]:
    return (content[start : start + step] for start in range(0, len(content), step))


def unsealed(content: bytes, key: bytes = KEY, name: str = "shop/1") -> bytes:
    return b"".join(opened(key, name, pieces_of(content)))


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_what_was_sealed_comes_back(size: int) -> None:
    content = os.urandom(size)

    assert unsealed(sealed(content)) == content


@settings(max_examples=30)
@given(st.binary(max_size=2000), st.integers(1, 999))
def test_it_does_not_matter_in_which_pieces_it_comes(content: bytes, step: int) -> None:
    assert unsealed(sealed(content, step=step)) == content


def test_nothing_of_the_content_is_in_what_is_stored_and_no_two_are_alike() -> None:
    content = b"a secret " * 1000

    assert b"secret " not in sealed(content)
    assert sealed(content)[100:200] != sealed(content)[100:200]


@pytest.mark.parametrize(
    "place",
    [0, 17, 18, 49, 50, 57, 58, 5000, 58 + MIB, 58 + MIB + 15, 58 + MIB + 16, 58 + MIB + 5000, -17, -16, -1],
)
def test_a_changed_byte_anywhere_is_found(place: int) -> None:
    content = bytearray(sealed(os.urandom(MIB + 10_000)))
    content[place] ^= 0x20

    with pytest.raises(Damaged):
        unsealed(bytes(content))


@pytest.mark.parametrize("length", [0, 10, 58, 60, 5000, 58 + MIB + 16, 58 + MIB + 17, -1])
def test_a_missing_end_is_found_also_where_a_piece_ends(length: int) -> None:
    content = sealed(os.urandom(MIB + 10_000))

    with pytest.raises(Damaged):
        unsealed(content[:length])


def test_pieces_can_be_neither_exchanged_nor_added() -> None:
    content, size = sealed(os.urandom(2 * MIB + 10)), MIB + 16
    head, first, second, last = content[:58], content[58 : 58 + size], content[58 + size : 58 + 2 * size], b""
    last = content[58 + 2 * size :]

    for changed in (head + second + first + last, head + first + second + last + last, head + first + last):
        with pytest.raises(Damaged):
            unsealed(changed)


def test_another_key_is_told_apart_from_damage() -> None:
    with pytest.raises(Damaged, match=r"is sealed with key [0-9a-f]{16}, and the key here is [0-9a-f]{16}"):
        unsealed(sealed(b"content"), key=OTHER)


def test_one_backup_can_not_stand_for_another() -> None:
    with pytest.raises(Damaged, match="shop/2 is damaged"):
        unsealed(sealed(b"content"), name="shop/2")


def test_a_signature_depends_on_key_and_content() -> None:
    assert len({signature(KEY, b"a"), signature(KEY, b"b"), signature(OTHER, b"a")}) == 3
