"""`shopkart stores copy`: what it refuses before it looks at any database."""

from pathlib import Path

import pytest

from shopkart_pipeline.cli.main import main


def test_a_copy_needs_a_database_and_a_home_that_holds_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPKART_HOME", str(tmp_path))
    monkeypatch.delenv("SHOPKART_STORES", raising=False)
    with pytest.raises(SystemExit) as first:
        main(["stores", "copy"])
    assert "SHOPKART_STORES is not set." in capsys.readouterr().err

    monkeypatch.setenv("SHOPKART_STORES", "postgresql://me:geheim@127.0.0.1:1/shop")
    with pytest.raises(SystemExit) as second:
        main(["stores", "copy"])
    told = capsys.readouterr().err
    assert (f"{tmp_path} holds no evidence." in told, "geheim" in told) == (True, False)
    assert 0 not in (first.value.code, second.value.code)
