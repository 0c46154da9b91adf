"""What tools say, made fit to be shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, Tool, fingerprint_of
from shopkart_pipeline.domain.plain_text import plain

HOSTILE = "\x1b]0;owned\x07 a\r\nb\u202etxt\ud800"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Größe 3 💥 👩‍🔧", "Größe 3 💥 👩‍🔧"),
        ("one\ttwo\r\nthree", "one two three"),
        ("\x1b[2Jgreen\x07", "\ufffd[2Jgreen\ufffd"),
        ("\x1b[90m1PM\x1b[0m \x1b[1m\x1b[31mFTL\x1b[0m no", "1PM FTL no"),
        ("\x1b\x1b[0m[0mx", "\ufffd[0mx"),
        ("\x9b31mred", "\ufffd31mred"),
        ("invoice\u202efdp.exe", "invoice\ufffdfdp.exe"),
        ("half \ud83d", "half \ufffd"),
        ("", ""),
    ],
)
def test_what_steers_a_terminal_or_the_reader_is_not_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(st.characters(codec=None)))
def test_shown_text_is_one_printable_line_and_stays_as_it_is(text: str) -> None:
    shown = plain(text)

    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert plain(shown) == shown


def test_evidence_is_fit_to_be_shown_whoever_wrote_the_words() -> None:
    finding = Finding(HOSTILE, Severity.LOW, HOSTILE, "f", HOSTILE, 1, HOSTILE, HOSTILE, HOSTILE, link=HOSTILE)
    tool = Tool(HOSTILE, HOSTILE, HOSTILE)
    told = repr((finding, Evidence(tool, HOSTILE, notes=(HOSTILE,)), EvidenceMissing(HOSTILE, tool)))

    assert plain(HOSTILE) in told
    assert not any(escaped in told for escaped in ("\\x1b", "\\x07", "\\r", "\\n", "\\u202e", "\\ud800"))


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("https://avd.example/CVE-1", "https://avd.example/CVE-1"),
        ("javascript:alert(1)", None),
        ("file:///etc/passwd", None),
        (None, None),
    ],
)
def test_a_link_leads_to_the_web_or_is_left_out(link: str | None, kept: str | None) -> None:
    assert Finding("r", Severity.LOW, "m", "f", link=link).link == kept


def test_a_file_name_that_is_no_text_has_a_fingerprint() -> None:
    assert fingerprint_of("r", "\udcff.py", "x") != fingerprint_of("r", "\udcfe.py", "x")
