"""Every test of a command may have a world; whoever types is Maya, an operator, unless the test says otherwise."""

from pathlib import Path

import pytest

from shopkart_pipeline.cli import arguments
from shopkart_pipeline_tests.fakes.fake_signatures import FakeSigner
from shopkart_pipeline_tests.fakes.world import MAYA, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(autouse=True)
def maya(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the key that commands sign with."""
    monkeypatch.setattr(arguments, "SshSigner", lambda key_file: FakeSigner(MAYA))
