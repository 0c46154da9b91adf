"""One proven release for all tests of the verifier; they change its bundle, never the release."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest

from shopkart_pipeline.verifier.claims import Claim
from shopkart_pipeline.verifier.envelopes import read_keys
from shopkart_pipeline.verifier.release import verify
from shopkart_pipeline_tests.fakes.proven_release import ProvenRelease, proven_release

Verify = Callable[[bytes], tuple[Claim, ...]]


class _Unshown(bytes):
    """Bytes that no report of a failure prints."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


@pytest.fixture(scope="session")
def proven(tmp_path_factory: pytest.TempPathFactory) -> ProvenRelease:
    return proven_release(tmp_path_factory.mktemp("proven"))


@pytest.fixture(scope="session")
def bundle(proven: ProvenRelease) -> bytes:
    return _Unshown(proven.bundle())


@pytest.fixture(scope="session")
def check(proven: ProvenRelease) -> Verify:
    """The claims of a bundle, for an auditor who looks a day later."""
    keys, now = read_keys(proven.keys), proven.world.clock.now() + timedelta(days=1)
    return lambda content: verify(io.BytesIO(content), keys, now)
