"""Freeze windows of an environment: moments and days of the week, of a time zone that has to exist."""

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.spec.models.delivery import FreezeSpec
from shopkart_pipeline.spec.scope import Scope

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def compile_freeze(scope: Scope, environment: str, declared: list[FreezeSpec]) -> tuple[FreezeWindow, ...]:
    """The windows. Faults go to the scope."""
    found = (_window(scope, environment, index, spec) for index, spec in enumerate(declared))
    return tuple(window for window in found if window is not None)


def _window(scope: Scope, environment: str, index: int, spec: FreezeSpec) -> FreezeWindow | None:
    place = ("environments", environment, "freeze", index)
    try:
        zone = ZoneInfo(spec.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        scope.fault(f"there is no time zone {spec.time_zone}; write one such as Europe/Berlin", *place, "time_zone")
        return None
    if spec.days and not spec.begins and not spec.ends:
        return FreezeWindow(spec.name, spec.time_zone, weekdays=frozenset(map(_WEEKDAYS.index, spec.days)))
    if spec.days or not spec.begins or not spec.ends:
        scope.fault("a window has either `begins` and `ends`, or `days`", *place)
        return None
    try:
        begins, ends = (datetime.fromisoformat(each).replace(tzinfo=zone) for each in (spec.begins, spec.ends))
    except ValueError as error:
        scope.fault(f"there is no such moment: {error}", *place)
        return None
    if ends.timestamp() <= begins.timestamp():
        scope.fault(f"the window ends at {spec.ends}, which is not after {spec.begins}", *place, "ends")
        return None
    return FreezeWindow(spec.name, spec.time_zone, begins, ends)
