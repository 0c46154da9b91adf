"""A bill of materials as a document of the CycloneDX reference library.

The serial number comes from what the bill describes, and the time from the bill, so the same bill gives the same
document. A component that is named and not installed has the scope `excluded`. Hashes that a lock allows are those of
distributions, any of which may have been installed: they stand at an external reference, whose address is the package
URL. What can't be told is a property of the bill, `shopkart:note`.
"""

# The decorators of the library's models hide how they are made.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Iterable, Iterator
from uuid import NAMESPACE_URL, UUID, uuid5

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component as Described
from cyclonedx.model.component import ComponentScope, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.dependency import Dependency
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from shopkart_pipeline.domain.component import BillKind, BillOfMaterials, Component

_VERSION = "1"
"""Moves when the same image is described in another way."""
_PREFIX = "shopkart:"
_TYPES = {BillKind.IMAGE: ComponentType.CONTAINER, BillKind.APPLICATION: ComponentType.APPLICATION}
_ALGORITHMS = {
    "sha1": HashAlgorithm.SHA_1,
    "sha256": HashAlgorithm.SHA_256,
    "sha384": HashAlgorithm.SHA_384,
    "sha512": HashAlgorithm.SHA_512,
}


def document_text(bill: BillOfMaterials) -> str:
    """The bill in the library's own JSON."""
    subject = Described(
        name=bill.name,
        version=bill.version,
        type=_TYPES[bill.kind],
        bom_ref=f"{bill.kind.value}:{bill.name}@{bill.version}",
        properties=[Property(name=f"{_PREFIX}image", value=bill.digest)],
    )
    document = Bom(
        serial_number=_serial_number(bill),
        version=1,
        metadata=BomMetaData(
            timestamp=bill.made_at,
            component=subject,
            tools=ToolRepository(
                components=[Described(name="shopkart-pipeline", version=_VERSION, type=ComponentType.APPLICATION)]
            ),
            properties=[
                *(Property(name=f"{_PREFIX}{name}", value=value) for name, value in bill.properties.items()),
                *(Property(name=f"{_PREFIX}note", value=note) for note in bill.notes),
            ],
        ),
        components=[_described(component) for component in bill.components],
        dependencies=_dependencies(subject, bill.components),
    )
    return JsonV1Dot6(document).output_as_string()


def _serial_number(bill: BillOfMaterials) -> UUID:
    return uuid5(NAMESPACE_URL, f"{bill.kind.value}\0{bill.name}\0{bill.version}\0{bill.digest}")


def _described(component: Component) -> Described:
    layers = sorted({place.layer for place in component.places})
    return Described(
        name=component.package.name,
        version=component.package.version,
        type=ComponentType.LIBRARY,
        bom_ref=component.purl,
        purl=PackageURL.from_string(component.purl),
        scope=None if component.places else ComponentScope.EXCLUDED,
        licenses=[*_licences(component)],
        external_references=[*_distributions(component)],
        evidence=ComponentEvidence(
            occurrences=[Occurrence(location=place.path, additional_context=place.layer) for place in component.places]
        )
        if component.places
        else None,
        properties=[
            *(Property(name=f"{_PREFIX}layer", value=layer) for layer in layers),
            *(Property(name=f"{_PREFIX}{name}", value=value) for name, value in component.properties.items()),
        ],
    )


def _licences(component: Component) -> Iterator[LicenseExpression | DisjunctiveLicense]:
    if component.licence is not None:
        yield LicenseExpression(component.licence)
    elif component.said_licence:
        yield DisjunctiveLicense(name=component.said_licence)


def _distributions(component: Component) -> Iterator[ExternalReference]:
    hashes = [one.partition(":") for one in component.hashes]
    known = [HashType(alg=_ALGORITHMS[name], content=value) for name, _, value in hashes if name in _ALGORITHMS]
    if known:
        yield ExternalReference(
            type=ExternalReferenceType.DISTRIBUTION,
            url=XsUri(component.purl),
            comment="What the lock allows: any one of these.",
            hashes=known,
        )


def _dependencies(subject: Described, components: Iterable[Component]) -> list[Dependency]:
    """The graph; on the subject depend those that no other component needs."""
    installed = [component for component in components if component.places]
    refs = {each.purl: BomRef(each.purl) for each in installed}
    needed = {need for each in installed for need in each.needs}
    graph = [
        Dependency(refs[each.purl], [Dependency(refs[need]) for need in each.needs if need in refs])
        for each in installed
    ]
    top = [Dependency(refs[each.purl]) for each in installed if each.purl not in needed]
    return [Dependency(subject.bom_ref, top), *graph]
