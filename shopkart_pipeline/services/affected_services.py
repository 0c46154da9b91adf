"""Which services a change concerns. What does not concern a service is remembered for it, with the reason: a service
that was looked at and left alone can be told from one that was forgotten, and who waits for its verdict gets one."""

from collections.abc import Collection, Iterable

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.add_release import Change
from shopkart_pipeline.services.platform import Platform

NOT_AFFECTED = "not_affected"
"""Kind of the notes; they are kept under the key of the release that there would have been."""
_PATHS_NAMED = 3
_PATHS_KEPT = 20
_SERVICES_NAMED = 5


def is_affected(service: Service, changed_paths: Iterable[str]) -> bool:
    """Whether a change of these paths (relative to the repository's root) concerns the service."""
    return any(
        folder in (".", "") or path == folder or path.startswith(f"{folder.rstrip('/')}/")
        for path in changed_paths
        for folder in _folders(service)
    )


def split(services: Iterable[Service], changed_paths: Collection[str]) -> tuple[list[Service], list[Service]]:
    """The services that a change of these paths concerns, and the others."""
    affected, untouched = list[Service](), list[Service]()
    for service in services:
        (affected if is_affected(service, changed_paths) else untouched).append(service)
    return affected, untouched


def note_not_affected(
    platform: Platform, services: Collection[Service], key: str, delivery: Delivery, change: Change
) -> tuple[Note, ...]:
    """Note for services that a change does not concern them, once.

    Args:
        platform: the ports.
        services: which ones.
        key: of the release that each of them would have got.
        delivery: what told of the change.
        change: what it is.
    """
    notes = tuple(_note(service, key, delivery, change) for service in services)
    platform.evidence.note_once(*notes)
    return notes


def _note(service: Service, key: str, delivery: Delivery, change: Change) -> Note:
    paths, folders = change.paths, _folders(service)
    named = ", ".join(paths[:_PATHS_NAMED]) + (", …" if len(paths) > _PATHS_NAMED else "")
    changed = f"none of {len(paths)} changed paths ({named}) lies" if paths else "nothing changed"
    data = {
        "commit": change.commit.sha,
        "base": change.base,
        "looked_at": ", ".join(folders),
        "changed_paths": "\n".join(paths[:_PATHS_KEPT]),
        "changed_paths_count": len(paths),
        "delivery": delivery.id,
    }
    return Note(service.name, key, delivery.received_at, NOT_AFFECTED, f"{changed} in {' or '.join(folders)}", data)


def in_words(releases: Iterable[Release], untouched: Collection[Service]) -> str:
    """What became of a delivery, as its outcome says; of many services that it does not concern, only some by name."""
    names, more = [service.name for service in untouched], len(untouched) - _SERVICES_NAMED
    parts = [f"released {release.name}" for release in releases]
    parts += [f"{name} not affected" for name in names[:_SERVICES_NAMED]]
    return ", ".join([*parts, *([f"{more} more not affected"] if more > 0 else [])])


def _folders(service: Service) -> tuple[str, ...]:
    return (service.source.path, *service.source.shared_paths)
