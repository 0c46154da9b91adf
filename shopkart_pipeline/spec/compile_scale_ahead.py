"""Windows with more replicas: moments of a time zone that has to exist, within what the autoscaler may reach.

A window that is over is no fault: a declaration must not become wrong because time passes. Two windows between moments
may not overlap, as nobody could say which one was meant; one that comes again may fall into another, and the one with
more replicas holds then.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.scale_ahead import Scale, minimum
from shopkart_pipeline.domain.scale_window import ScaleWindow, Span
from shopkart_pipeline.spec.cron import recurrence
from shopkart_pipeline.spec.models.delivery import ScaleAheadSpec
from shopkart_pipeline.spec.scope import Scope

_LONGEST_SECONDS = 7 * 86400.0
"""Of a window that comes again; what lasts longer is what is declared for every day."""


@dataclass(frozen=True)
class Windows:
    """What the windows of a deployment come to."""

    scale: tuple[ScaleWindow, ...]
    freeze: tuple[FreezeWindow, ...]


@dataclass(frozen=True)
class _Place:
    """Where a window is declared."""

    scope: Scope
    environment: str
    index: int

    def fault(self, message: str, *keys: str) -> None:
        self.scope.fault(message, "environments", self.environment, "scale_ahead", self.index, *keys)


def compile_scale_ahead(
    scope: Scope, environment: str, declared: list[ScaleAheadSpec], daily: Scale, is_production: bool
) -> Windows:
    """The windows of a deployment, and the freezes that they bring. Faults go to the scope."""
    workload = scope.spec.workload
    if declared and workload is not None and workload.manifests is not None:
        message = "with `manifests` of its own a service says its numbers there; take `scale_ahead` or `manifests` away"
        scope.fault(message, "environments", environment, "scale_ahead")
        return Windows((), ())
    found = list[tuple[_Place, ScaleWindow]]()
    freezes = list[FreezeWindow]()
    for index, spec in enumerate(declared):
        place = _Place(scope, environment, index)
        window = _window(place, spec)
        if window is None:
            continue
        _check_numbers(place, spec, window, daily)
        found.append((place, window))
        freezes += _freeze(place, spec, window, is_production)
    _check_apart(found)
    return Windows(tuple(window for _, window in found), tuple(freezes))


def _window(place: _Place, spec: ScaleAheadSpec) -> ScaleWindow | None:
    try:
        zone = ZoneInfo(spec.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        place.fault(f"there is no time zone {spec.time_zone}; write one such as Europe/Berlin", "time_zone")
        return None
    if (spec.minimum is None) == (spec.factor is None):
        place.fault("a window says either `minimum`, the fewest replicas, or `factor`")
        return None
    sized = ScaleWindow(spec.name, spec.minimum, spec.factor, spec.lead or 0.0)
    between, again = (spec.begins, spec.ends), (spec.cron, spec.lasts)
    if all(again) and not any(between):
        return _again(place, spec, sized)
    if not all(between) or any(again):
        place.fault("a window has either `begins` and `ends`, or `cron` and `lasts`")
        return None
    try:
        begins, ends = (datetime.fromisoformat(str(each)).replace(tzinfo=zone) for each in between)
    except ValueError as error:
        place.fault(f"there is no such moment: {error}")
        return None
    if ends.timestamp() <= begins.timestamp():
        place.fault(f"the window ends at {spec.ends}, which is not after {spec.begins}", "ends")
        return None
    return ScaleWindow(sized.name, sized.minimum, sized.factor, sized.lead_seconds, begins, ends)


def _again(place: _Place, spec: ScaleAheadSpec, sized: ScaleWindow) -> ScaleWindow | None:
    lasts, cron = spec.lasts or 0.0, recurrence(spec.cron or "", spec.time_zone)
    if lasts > _LONGEST_SECONDS:
        place.fault("a window that comes again lasts 7d at most; declare `replicas` or `autoscale` instead", "lasts")
        return None
    if next(cron.since(datetime(2000, 1, 1, tzinfo=UTC)), None) is None:
        place.fault(f"no day is ever one of {spec.cron}", "cron")
        return None
    return ScaleWindow(
        sized.name, sized.minimum, sized.factor, sized.lead_seconds, recurrence=cron, lasts_seconds=lasts
    )


def _check_numbers(place: _Place, spec: ScaleAheadSpec, window: ScaleWindow, daily: Scale) -> None:
    wanted, key = minimum(window, daily), "minimum" if spec.minimum is not None else "factor"
    if daily.autoscale is not None and wanted > daily.autoscale.maximum:
        message = (
            f"{wanted} replicas are more than `autoscale` allows ({daily.autoscale.maximum}); "
            "raise its `maximum`, with room above the window's minimum to scale into"
        )
        place.fault(message, key)
    elif wanted <= daily.fewest:
        place.fault(f"{wanted} is no more than there are every day ({daily.fewest}); say a larger number", key)


def _freeze(place: _Place, spec: ScaleAheadSpec, window: ScaleWindow, is_production: bool) -> list[FreezeWindow]:
    if not spec.freeze:
        return []
    if not is_production:
        place.fault(f"production is frozen, and {place.environment} is not of phase production", "freeze")
        return []
    span = _span(window)
    if span is None:
        place.fault("a window that comes again freezes nothing; declare `freeze` with `days`", "freeze")
        return []
    return [FreezeWindow(spec.name, spec.time_zone, span.warm_at, span.ends_at)]


def _span(window: ScaleWindow) -> Span | None:
    return window.on_at(window.begins_at.astimezone(UTC)) if window.begins_at is not None else None


def _check_apart(found: list[tuple[_Place, ScaleWindow]]) -> None:
    spans = [(place, span) for place, window in found if (span := _span(window)) is not None]
    for (_, earlier), (place, later) in combinations(spans, 2):
        starts, ends = (
            max(earlier.warm_at.timestamp(), later.warm_at.timestamp()),
            min(earlier.ends_at.timestamp(), later.ends_at.timestamp()),
        )
        if starts < ends:
            place.fault(f"it overlaps with {earlier.name}, lead times included; make them one, or move one")
    names = [(place, window.name) for place, window in found]
    for (_, one), (place, other) in combinations(names, 2):
        if one == other:
            place.fault(f"two windows are called {one}; the record of what was scaled tells them by name", "name")
