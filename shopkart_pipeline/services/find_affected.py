"""What is affected by an advisory, or by a package in some versions: across services, environments and releases.

Which versions an advisory means is said by the snapshots that the services' scans name, as they are at the tip of the
branch; by what a live service told before; and by findings in the evidence of what runs, since a scanner may know more
than both: then the versions that it found are meant, wherever else they are. A name that none of these knows is an
error, never an answer that nothing is affected. What consists of what is asked of the component index, and releases
without a bill of materials are named as what nobody can tell.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from shopkart_pipeline.domain.affected import (
    AffectedPackage,
    AffectedRelease,
    AffectedReport,
    Effect,
    RunningEffect,
)
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, Finding
from shopkart_pipeline.domain.release import is_proposed
from shopkart_pipeline.ports.advisory_book import AdvisorySet
from shopkart_pipeline.ports.component_index import ComponentIndex, DescribedRelease
from shopkart_pipeline.services.advisories_at_hand import ports, snapshots
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current


def affected_by_advisory(platform: Platform, name: str) -> AffectedReport:
    """What an advisory affects, by any of its names.

    Raises:
        NotFound: nobody here knows it.
        ToolUnavailable: there is no component index.
    """
    index, book = ports(platform)
    runs = running(platform)
    sets, notes = snapshots(platform, book, name)
    kept = book.kept(name)
    meant: dict[PackageVersion, str] = {}
    sources = list[str]()
    for each in [*sets, *([kept] if kept is not None else [])]:
        concerns = each.concerns(name)
        if not concerns:
            continue
        sources.append(each.source)
        held = [one for concern in concerns for one in index.versions(concern.name, concern.ecosystem)]
        meant |= _warned(each, name, held)
        strange = sorted({concern.ecosystem for concern in concerns if not concern.compared})
        notes += [f"It is about packages of {kind} too, whose versions are not compared here." for kind in strange]
    found = {package: why for why, package in _found(platform, index, name, runs)}
    if found:
        sources.append("findings in the evidence of what runs")
    if not sources:
        looked = "; ".join([*(each.source for each in sets), *notes]) or "no snapshot is declared"
        raise NotFound(f"Nobody here knows an advisory {name}.", f"Looked at: {looked}. Give --package NAME instead.")
    return _report(platform, index, name, tuple(dict.fromkeys(sources)), found | meant, runs, notes)


def affected_by_package(platform: Platform, name: str, versions: str | None = None) -> AffectedReport:
    """What holds a package.

    Args:
        platform: the ports.
        name: of the package, as a person writes it.
        versions: a range such as `<2.32`; None means every version.

    Raises:
        UntrustedInput: it is no range.
        ToolUnavailable: there is no component index.
    """
    index, book = ports(platform)
    meant: dict[PackageVersion, str] = {}
    notes = list[str]()
    held = {one for each in book.canonical(name) for one in index.versions(each)}
    for package in sorted(held):
        inside = True if versions is None else book.within(package, versions)
        if inside is None:
            notes.append(f"{package.name} {package.version} of {package.ecosystem} can't be compared; it counts.")
        if inside is not False:
            meant[package] = f"{package.name} {versions}" if versions is not None else "any version"
    if not held:
        notes.append(f"No release with a bill of materials holds a package {name}.")
    question = f"{name} {versions}" if versions is not None else name
    return _report(platform, index, question, ("the question",), meant, running(platform), notes)


def running(platform: Platform) -> dict[tuple[str, str], Placed | None]:
    """What runs, by service and environment, as history tells."""
    return {
        (service.name, environment): current(platform, service.name, environment)
        for service in platform.pipeline.services.values()
        for environment in service.deployments
    }


def _warned(advisories: AdvisorySet, name: str, held: Collection[PackageVersion]) -> dict[PackageVersion, str]:
    meant: dict[PackageVersion, str] = {}
    for one in advisories.warnings(held):
        if name.lower() in {each.lower() for each in one.names}:
            fixed = f", fixed in {one.fixed_in}" if one.fixed_in else ""
            meant[one.package] = f"{one.advisory}: {one.summary or 'vulnerable'} ({one.severity.name.lower()}{fixed})"
    return meant


def _found(
    platform: Platform, index: ComponentIndex, name: str, runs: Mapping[tuple[str, str], Placed | None]
) -> Iterator[tuple[str, PackageVersion]]:
    """Packages that a scanner found in what runs, under this name."""
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)
    keys = dict.fromkeys((service, placed.release_key) for (service, _), placed in runs.items() if placed)
    for service, key in keys:
        for record in platform.evidence.latest(service, key).values():
            findings = record.result.findings if isinstance(record.result, Evidence) else ()
            for finding in findings:
                if finding.package and (word.fullmatch(finding.rule) or word.search(finding.message)):
                    why = f"{finding.rule}: found by {record.stage} in {service}@{key}"
                    yield from ((why, package) for package in _versions(index, finding))


def _versions(index: ComponentIndex, finding: Finding) -> Iterator[PackageVersion]:
    versions = set((finding.installed_version or "").split(", "))
    return (each for each in index.versions(finding.package or "") if each.version in versions)


def _report(
    platform: Platform,
    index: ComponentIndex,
    question: str,
    sources: tuple[str, ...],
    meant: Mapping[PackageVersion, str],
    runs: Mapping[tuple[str, str], Placed | None],
    notes: Collection[str],
) -> AffectedReport:
    holding: dict[DescribedRelease, list[PackageVersion]] = {}
    for one in index.holding(list(meant)):
        holding.setdefault(one.release, []).append(one.package)
    return AffectedReport(
        question=question,
        sources=sources,
        packages=tuple(AffectedPackage(package, meant[package]) for package in sorted(meant)),
        running=tuple(_effect(index, place, placed, meant) for place, placed in runs.items()),
        releases=tuple(
            AffectedRelease(each.service, each.release_key, each.digest, tuple(sorted(packages)))
            for each, packages in holding.items()
        ),
        unknown=_unknown(platform, index),
        notes=tuple(dict.fromkeys(notes)),
    )


def _effect(
    index: ComponentIndex, place: tuple[str, str], placed: Placed | None, meant: Collection[PackageVersion]
) -> RunningEffect:
    if placed is None:
        return RunningEffect(*place, Effect.EMPTY)
    packages = index.packages(placed.digest)
    if packages is None:
        return RunningEffect(*place, Effect.UNKNOWN, placed.release_key, placed.digest)
    held = tuple(each for each in packages if each in meant)
    effect = Effect.AFFECTED if held else Effect.CLEAR
    return RunningEffect(*place, effect, placed.release_key, placed.digest, held)


def _unknown(platform: Platform, index: ComponentIndex) -> tuple[str, ...]:
    known, services = index.names(), platform.pipeline.services
    lacking = (name for name in platform.evidence.release_names() if name not in known)
    return tuple(f"{service}@{key}" for service, key in lacking if service in services and not is_proposed(key))
