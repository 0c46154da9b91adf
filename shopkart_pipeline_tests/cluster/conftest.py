"""The cluster of the scenarios: the emulated one, and the real one with `--cluster`."""

from collections.abc import Generator
from typing import Any

import pytest

from shopkart_pipeline_tests.cluster.beds import Bed, an_emulated_bed
from shopkart_pipeline_tests.cluster.real_bed import a_real_bed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "bed" in metafunc.fixturenames:
        kind = "real" if metafunc.config.getoption("--cluster") else "emulated"
        metafunc.parametrize("bed", [kind], indirect=True, scope="module")


@pytest.fixture(scope="module")
def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Bed]:
    folder = tmp_path_factory.mktemp("bed")
    if request.param == "emulated":
        with an_emulated_bed(folder) as emulated:
            yield emulated
    else:
        with a_real_bed(folder, request.config) as real:
            yield real


@pytest.fixture
def left_out(record_property: Any) -> Any:
    """Keeps for the summary what a cluster, or our account there, does not allow."""

    def keep(reason: str) -> None:
        record_property("left out", reason)

    return keep
