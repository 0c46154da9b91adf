"""Equal data give equal bytes, and what has no single meaning is refused."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.canonical import canonical_json, digest_of
from shopkart_pipeline.domain.evidence import Severity
from shopkart_pipeline.domain.workload import Track

_SCALARS = st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
_DATA: st.SearchStrategy[Any] = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@dataclass(frozen=True)
class _Point:
    name: str
    size: float


def test_keys_are_sorted_and_no_white_space_is_left() -> None:
    assert canonical_json({"b": (1, 2), "a": _Point("p", 1.5)}) == b'{"a":{"name":"p","size":1.5},"b":[1,2]}'


@given(_MOMENTS, _ZONES)
def test_a_moment_is_the_same_in_every_zone(moment: datetime, zone: timezone) -> None:
    assert canonical_json(moment.astimezone(zone)) == canonical_json(moment)


@given(_DATA)
def test_equal_data_give_equal_bytes(data: Any) -> None:
    assert canonical_json(_rewritten(data)) == canonical_json(data)
    assert digest_of(_rewritten(data)) == digest_of(data)


def _rewritten(data: Any) -> Any:
    """The same data, as another program might have written them."""
    if isinstance(data, dict):
        entries = cast(dict[str, Any], data)
        return {key: _rewritten(entries[key]) for key in reversed(entries)}
    if isinstance(data, list):
        return tuple(_rewritten(element) for element in cast(list[Any], data))
    return float(data) if isinstance(data, int) and abs(data) < 2**53 else data


@given(_DATA, _DATA)
def test_different_data_give_different_bytes(one: Any, other: Any) -> None:
    assert (canonical_json(one) == canonical_json(other)) == (one == other)


def test_names_and_ranks_of_enumerations_are_their_values() -> None:
    assert canonical_json({Track.CANARY: Severity.HIGH}) == b'{"canary":4}'


@pytest.mark.parametrize(
    "value",
    [
        datetime(2025, 1, 1),
        float("nan"),
        float("inf"),
        {1: "one", "1": "also one"},
        b"bytes",
        {"a", "b"},
        object(),
        _Point,
    ],
)
def test_what_has_no_single_meaning_has_no_canonical_form(value: object) -> None:
    with pytest.raises(TypeError, match="canonical form"):
        canonical_json([value])


def test_a_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(TypeError) as caught:
        canonical_json({"token": b"hunter2"})

    assert "hunter2" not in str(caught.value)
