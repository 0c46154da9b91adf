"""What a declaration may say about windows of more replicas, and the freeze that one brings."""

from pathlib import Path

import pytest

from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, pipeline_of

_BETWEEN = 'name: Sale, time_zone: Europe/Berlin, begins: "2026-11-27T00:00", ends: "2026-11-28T02:00"'
_AGAIN = 'name: Evening, time_zone: Europe/Berlin, cron: "0 18 * * *", lasts: 2h'


def _declared(*windows: str, more: str = "autoscale: {minimum: 4, maximum: 40}, ") -> str:
    listed = ", ".join(f"{{{each}}}" for each in windows)
    return SMALLEST.replace("production: {", f"production: {{{more}scale_ahead: [{listed}], ")


def test_windows_are_read_and_a_sale_brings_its_freeze(tmp_path: Path) -> None:
    text = _declared(f"{_BETWEEN}, minimum: 20, lead: 30m, freeze: true", f"{_AGAIN}, factor: 2")
    production = pipeline_of(tmp_path, text).services["catalog"].deployments["production"]
    sale, evening = production.scale_ahead
    assert (sale.minimum, sale.lead_seconds, evening.factor, evening.lasts_seconds) == (20, 1800.0, 2.0, 7200.0)
    [frozen] = production.freeze
    assert frozen.name == "Sale"
    assert frozen.begins_at is not None
    assert frozen.begins_at.isoformat() == "2026-11-26T23:30:00+01:00"
    assert frozen.ends_at == sale.ends_at


def test_a_window_that_is_over_is_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, _declared(f"{_BETWEEN.replace('2026', '2006')}, minimum: 20")) == ()


@pytest.mark.parametrize(
    ("windows", "message"),
    [
        ([f"{_BETWEEN}, minimum: 41"], "41 replicas are more than `autoscale` allows (40)"),
        ([f"{_BETWEEN}, factor: 11"], "44 replicas are more"),
        ([f"{_BETWEEN}, minimum: 4"], "4 is no more than there are every day (4)"),
        ([_BETWEEN], "either `minimum`, the fewest replicas, or `factor`"),
        ([f"{_BETWEEN}, minimum: 5, factor: 2"], "either `minimum`"),
        ([f"{_BETWEEN}, minimum: 5, lasts: 2h"], "either `begins` and `ends`, or `cron` and `lasts`"),
        ([f"{_AGAIN.replace('lasts: 2h', 'minimum: 5')}"], "either `begins` and `ends`"),
        ([f"{_AGAIN.replace('2h', '8d')}, minimum: 5"], "7d at most"),
        ([f"{_AGAIN.replace('0 18 * * *', '0 0 31 2 *')}, minimum: 5"], "no day is ever one of 0 0 31 2 *"),
        ([f"{_AGAIN}, minimum: 5, freeze: true"], "declare `freeze` with `days`"),
        ([f"{_BETWEEN.replace('11-28', '11-26')}, minimum: 5"], "which is not after"),
        ([f"{_BETWEEN.replace('11-27', '02-30')}, minimum: 5"], "there is no such moment"),
        ([f"{_BETWEEN.replace('Berlin', 'Atlantis')}, minimum: 5"], "there is no time zone Europe/Atlantis"),
        ([f"{_BETWEEN}, minimum: 5", f"{_BETWEEN.replace('Sale', 'Other')}, minimum: 6"], "overlaps with Sale"),
        ([f"{_AGAIN}, minimum: 5", f"{_AGAIN.replace('18', '9')}, minimum: 5"], "two windows are called Evening"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_place(tmp_path: Path, windows: list[str], message: str) -> None:
    [fault] = faults_of(tmp_path, _declared(*windows))
    assert message in fault.message
    assert ".scale_ahead[" in fault.path


def test_without_autoscaler_there_is_no_most(tmp_path: Path) -> None:
    assert faults_of(tmp_path, _declared(f"{_BETWEEN}, minimum: 900", more="replicas: 3, ")) == ()


def test_only_production_is_frozen_and_own_manifests_say_their_own_numbers(tmp_path: Path) -> None:
    staging = _declared(f"{_BETWEEN}, minimum: 5, freeze: true").replace("production: {", "staging: {", 1)
    [fault] = [each for each in faults_of(tmp_path, staging) if "scale_ahead" in each.path]
    assert "production is frozen, and staging" in fault.message
    own = _declared(f"{_BETWEEN}, minimum: 5", more="").replace("{command:", "{manifests: k8s, command:")
    assert ["manifests" in each.message for each in faults_of(tmp_path, own)] == [True]
