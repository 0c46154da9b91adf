"""What today's advisories warn of in what runs, over all services and environments; and whom the newest ones concern.

What runs is what history names; what it consists of is told by the component index. An image without a bill, and
advisories that can't be read, are told: nothing is clear for want of somebody who looked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shopkart_pipeline.domain.advisory import Warned
from shopkart_pipeline.services.advisories_at_hand import ports, snapshots
from shopkart_pipeline.services.find_affected import running
from shopkart_pipeline.services.platform import Platform

_NEWEST = 20


@dataclass(frozen=True)
class RunningWarning:
    """One advisory about one package, and where that runs."""

    warned: Warned
    places: tuple[str, ...]
    """Such as `backend in production`."""


@dataclass(frozen=True)
class RunningReport:
    """The answer for everything that runs."""

    sources: tuple[str, ...]
    """Whose advisories were asked; empty: nobody's."""
    warnings: tuple[RunningWarning, ...]
    """The worst first."""
    newest: Mapping[str, tuple[str, ...]]
    """The newest advisories by name, with the places that they concern; none where they concern nothing that runs."""
    unknown: tuple[str, ...]
    """Places that run an image without a bill of materials."""
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """One line for people."""
        if not self.sources:
            return "no advisories are at hand"
        advisories = len({each.warned.advisory for each in self.warnings})
        blind = f"; nobody can tell of {', '.join(self.unknown)}" if self.unknown else ""
        return f"{advisories} advisories concern what runs{blind}"


def affected_running(platform: Platform) -> RunningReport:
    """What today's advisories say about what runs; raises `ToolUnavailable` without an index."""
    index, book = ports(platform)
    sets, notes = snapshots(platform, book)
    unknown, found = list[str](), dict[Warned, dict[str, None]]()
    for (service, environment), placed in running(platform).items():
        if placed is None:
            continue
        place, packages = f"{service} in {environment}", index.packages(placed.digest)
        if packages is None:
            unknown.append(place)
            continue
        for warned in (one for each in sets for one in each.warnings(packages)):
            found.setdefault(warned, {})[place] = None
    warnings = [RunningWarning(warned, tuple(places)) for warned, places in found.items()]
    warnings.sort(key=lambda each: (-each.warned.severity.effective, each.warned.advisory, each.warned.package))
    return RunningReport(
        sources=tuple(dict.fromkeys(each.source for each in sets)),
        warnings=tuple(warnings),
        newest={name: _places(name, warnings) for each in sets for name in each.newest(_NEWEST)},
        unknown=tuple(unknown),
        notes=tuple(notes),
    )


def _places(name: str, warnings: list[RunningWarning]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(place for each in warnings if name in each.warned.names for place in each.places))
