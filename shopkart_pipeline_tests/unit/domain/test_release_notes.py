from datetime import date
from pathlib import Path

import pytest

from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.release_notes import UNRELEASED, release_notes

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added
- Something new,
  on two lines.

## [1.1.0] - 2026-11-02

### Fixed
- A fault. See [1].

### Security
- A hole.

## [1.0.0] - 2026-10-01 [YANKED]

[1.1.0]: https://example.com/compare/1.0.0...1.1.0
[1.0.0]: https://example.com/releases/1.0.0
"""


def test_notes_are_what_stands_below_the_version() -> None:
    notes = release_notes(CHANGELOG, "1.1.0")
    assert notes.text == "### Fixed\n- A fault. See [1].\n\n### Security\n- A hole.\n"
    assert notes.released == date(2026, 11, 2)


def test_what_is_not_released_has_no_date() -> None:
    notes = release_notes(CHANGELOG, UNRELEASED)
    assert notes.text == "### Added\n- Something new,\n  on two lines.\n"
    assert notes.released is None


def test_a_version_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(NotFound, match=r"no version 2\.0\.0") as refused:
        release_notes(CHANGELOG, "2.0.0")
    assert "Unreleased, 1.1.0, 1.0.0" in refused.value.fix


def test_a_version_without_a_change_has_no_notes() -> None:
    with pytest.raises(PipelineError, match=r"names no change in 1\.0\.0"):
        release_notes(CHANGELOG, "1.0.0")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("## 1.1.0\n### Added\n- x\n", r"CHANGELOG.md:1: '## 1\.1\.0' is no heading"),
        ("## [1.1.0]\n### Added\n- x\n", r":1: version 1\.1\.0 has no date"),
        ("## [1.1.0] - yesterday\n### Added\n- x\n", r":1: version 1\.1\.0 has the date yesterday"),
        ("## [1.1.0] - 2026-11-02\n\n### Improved\n- x\n", r":3: 'Improved' is no kind"),
        ("## [1.1.0] - 2026-11-02\n- x\n", r":2: this change is of no kind"),
        (
            "## [1.1.0] - 2026-11-02\n### Added\n- x\n## [1.1.0] - 2026-11-02\n### Fixed\n- y\n",
            r":4: version 1\.1\.0 is there twice",
        ),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        release_notes(text, "1.1.0")


def test_the_projects_own_changelog_can_be_read() -> None:
    changelog = Path(__file__).parents[3] / "CHANGELOG.md"
    assert release_notes(changelog.read_text(encoding="utf-8"), UNRELEASED).text.startswith("### Added\n")
