"""`waivers.yaml` in a service's folder becomes waivers, or every fault of it at its line.

They live in the repository so that a waiver takes the same review as code. One fault, and none of them counts: a waiver
that was meant and can't be read must not be taken for one that was never written.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.waiver import MAXIMUM_DAYS, Waiver
from shopkart_pipeline.ports.waivers import WaiverReader
from shopkart_pipeline.spec.faults import Faults, KeyPath, nearest
from shopkart_pipeline.spec.form import check_form
from shopkart_pipeline.spec.models.waivers import WaiverSpec, WaiversSpec
from shopkart_pipeline.spec.source_file import read_source
from shopkart_pipeline.spec.yaml_document import parse_document

FILE_NAME = "waivers.yaml"


class YamlWaivers(WaiverReader):
    """Reads `waivers.yaml`."""

    def read(self, tree: Path, service: Service, received_at: datetime) -> tuple[Waiver, ...]:
        name = (Path(service.source.path) / FILE_NAME).as_posix()
        file = tree / name
        if not file.resolve().is_relative_to(tree.resolve()):
            raise UntrustedInput(f"{name} leads out of the repository.", "Make it a file.")
        if not file.exists():
            return ()
        faults = Faults(name)
        document = parse_document(read_source(file, faults).text, faults, "waivers")
        faults.located_in(document.place)
        check_form(document.value, faults, WaiversSpec)
        if faults:
            raise faults.error()
        specs = WaiversSpec.model_validate(document.value).waivers
        waivers = tuple(
            Waiver(
                stage=spec.stage,
                reason=spec.reason,
                owner=spec.owner,
                expires_at=_end_of(spec, ("waivers", index, "expires"), received_at, faults),
                place=f"{name}:{document.place.nearest_line(('waivers', index))}",
                finding=spec.finding,
                rule=spec.rule,
                package=spec.package,
                path=spec.path,
            )
            for index, spec in enumerate(specs)
        )
        for index, spec in enumerate(specs):
            _check(spec, ("waivers", index), service, faults)
        if faults:
            raise faults.error()
        return waivers


def _end_of(spec: WaiverSpec, path: KeyPath, received_at: datetime, faults: Faults) -> datetime:
    """The moment at which the waiver's last day is over."""
    try:
        day = date.fromisoformat(spec.expires)
    except ValueError:
        faults.add(path, f"{spec.expires} is no day of the calendar")
        return received_at
    latest = received_at.astimezone(UTC).date() + timedelta(days=MAXIMUM_DAYS)
    if day > latest:
        faults.add(path, f"a waiver may last {MAXIMUM_DAYS} days at most: write {latest} or earlier")
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


def _check(spec: WaiverSpec, path: KeyPath, service: Service, faults: Faults) -> None:
    known = [stage.name for stage in service.stages]
    if spec.stage not in known:
        faults.add((*path, "stage"), f"{service.name} has no stage {spec.stage}; {nearest(spec.stage, known)}")
    by_name = (spec.rule, spec.package, spec.path)
    if spec.finding is not None and any(by_name):
        faults.add((*path, "finding"), "name the finding by its fingerprint or by rule and place, not by both")
    elif spec.finding is None and not (spec.rule and (spec.package or spec.path)):
        faults.add(path, "name the finding: `finding`, or `rule` together with `package` or `path`")
