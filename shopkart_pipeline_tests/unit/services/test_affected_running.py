"""What today's advisories say about everything that runs."""

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.affected_running import affected_running
from shopkart_pipeline.services.describe_image import image_sbom
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World


@pytest.fixture
def release(world: World) -> Release:
    """What runs in production."""
    world.commit({"backend/app.py": "0", **snapshot_files(an_advisory(), an_advisory("GHSA-2", "other"))})
    release = world.merge()
    world.run(release, Phase.CI)
    place(world, release, PRODUCTION)
    return release


def place(world: World, release: Release, environment: str) -> None:
    unit = Placed(world.clock.now(), release.key, world.digest(release), release.sha, PROMOTE)
    record_placement(world.platform, PROMOTE, "backend", environment, unit, "pipeline", "it passed")


def test_an_advisory_is_told_with_every_place_that_it_concerns(world: World, release: Release) -> None:
    image_sbom(world.platform, release, world.digest(release))
    place(world, release, STAGING)
    report = affected_running(world.platform)
    [warning] = report.warnings
    assert warning.warned.advisory == "GHSA-0000-0000-0001"
    assert warning.places == ("backend in staging", "backend in production")
    assert report.newest == {"GHSA-0000-0000-0001": warning.places, "GHSA-2": ()}
    assert report.summary == "1 advisories concern what runs"
    assert (report.unknown, report.notes) == ((), ())


def test_an_image_without_a_bill_is_told(world: World, release: Release) -> None:
    report = affected_running(world.platform)
    assert report.unknown == ("backend in production",)
    assert report.summary == "0 advisories concern what runs; nobody can tell of backend in production"


def test_advisories_that_can_not_be_read_are_told(world: World, release: Release) -> None:
    world.commit({"backend/app.py": "1", "advisories/snapshot.json": "{"})
    report = affected_running(world.platform)
    assert report.sources == ()
    assert report.summary == "no advisories are at hand"
    assert "can't be read" in report.notes[0]
