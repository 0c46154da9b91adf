"""Which PostgreSQL's programs are used."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters import _postgres_programs
from shopkart_pipeline.adapters._postgres_programs import program, program_for
from shopkart_pipeline.domain.errors import ToolUnavailable


def test_what_is_installed_on_the_machine_comes_before_the_package_as_it_has_extensions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "16" / "bin" / "postgres"
    installed.parent.mkdir(parents=True)
    installed.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16.9'\n")
    installed.chmod(0o755)
    monkeypatch.setattr(_postgres_programs, "_ELSEWHERE", (str(tmp_path),))

    assert program_for("postgres", 16) == str(installed)
    assert "pgserver" in program("postgres"), "the embedded platform stays with the package"
    assert "pgserver" in program_for("postgres", 17), "the next later one"
    with pytest.raises(ToolUnavailable, match="PostgreSQL 99"):
        program_for("postgres", 99)
