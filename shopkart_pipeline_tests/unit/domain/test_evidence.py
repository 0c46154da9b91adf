"""Fingerprints survive moved lines, and tell different findings apart."""

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.evidence import RawReport, Severity, fingerprint_of

_WORDS = st.lists(st.text("abcxyz=()_", min_size=1, max_size=8), min_size=1, max_size=6)
_SPACE = st.sampled_from([" ", "\t", "\n", "   ", "\r\n  "])


@given(_WORDS, _SPACE, _SPACE)
def test_white_space_makes_no_difference(words: list[str], one: str, other: str) -> None:
    assert fingerprint_of("S1", "a.py", one.join(words)) == fingerprint_of("S1", "a.py", f"{other.join(words)}{other}")


def test_rule_path_text_and_occurrence_all_count() -> None:
    prints = {
        fingerprint_of("S1", "a.py", "x = 1"),
        fingerprint_of("S2", "a.py", "x = 1"),
        fingerprint_of("S1", "b.py", "x = 1"),
        fingerprint_of("S1", None, "x = 1"),
        fingerprint_of("S1", "a.py", "x = 2"),
        fingerprint_of("S1", "a.py", "x = 1", occurrence=1),
    }

    assert len(prints) == 6


def test_parts_can_not_be_shifted_into_each_other() -> None:
    assert fingerprint_of("a", "bc", "d") != fingerprint_of("ab", "c", "d")


def test_what_a_tool_did_not_rate_counts_as_high() -> None:
    assert Severity.UNKNOWN.effective is Severity.HIGH
    assert all(severity.effective is severity for severity in Severity if severity is not Severity.UNKNOWN)


def test_a_raw_report_does_not_show_its_content() -> None:
    assert "hunter2" not in repr(RawReport("r.json", "application/json", b"hunter2"))
