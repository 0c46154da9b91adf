"""When a statement was signed, as it says itself: the moment that decides whether its key counted.

SLSA's statements have a field for it. A CycloneDX BOM carries it as a property of its metadata, and a statement of a
type of others under a name of ours (in-toto lets any object be extended by names that are URIs). Our own say
`signed_at`.

Source: SLSA provenance v1 (`runDetails.metadata.finishedOn`) and verification summary v1 (`timeVerified`); CycloneDX
1.6, `metadata.properties`; in-toto Attestation Framework, "Parsing rules".
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from shopkart_pipeline.domain.attestation import PROVENANCE, SBOM, VERIFICATION, Statement
from shopkart_pipeline.domain.errors import UntrustedInput

RELEASE_FIELD = "https://shopkart.example/attestation/release/v1"
"""Under this name a predicate of another's type says which release it is about, and when it was signed."""
BOM_PROPERTY = "shopkart:"
"""Begins the names of a BOM's properties that say the same."""


def claims_of(statement: Statement) -> Mapping[str, Any]:
    """What a statement says about the release that it is about: `service`, `release`, `repository`, `branch`, `commit`
    and `signed_at`, as far as it says them."""
    predicate = statement.predicate
    match statement.predicate_type:
        case kind if kind == PROVENANCE:
            definition, details = part_of(predicate, "buildDefinition"), part_of(predicate, "runDetails")
            return {
                **part_of(definition, "externalParameters"),
                "signed_at": part_of(details, "metadata").get("finishedOn"),
            }
        case kind if kind == VERIFICATION:
            return {**part_of(predicate, RELEASE_FIELD), "signed_at": predicate.get("timeVerified")}
        case kind if kind == SBOM:
            return _properties(part_of(predicate, "metadata").get("properties"))
        case _ if RELEASE_FIELD in predicate:
            return part_of(predicate, RELEASE_FIELD)
        case _:
            return predicate


def moment_of(statement: Statement) -> datetime:
    """When it was signed. Raises `UntrustedInput` where it does not say, or not with a time zone."""
    said = claims_of(statement).get("signed_at")
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UntrustedInput(
            f"The statement {statement.predicate_type} does not say when it was signed.",
            "Attest the release again: `shopkart rerun RELEASE attestations`.",
        )
    return moment


def part_of(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an object; an empty one where it is something else."""
    found = of.get(name)
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def _properties(listed: object) -> dict[str, Any]:
    if not isinstance(listed, list | tuple):
        return {}
    found = [cast(Mapping[str, Any], each) for each in cast(list[object], listed) if isinstance(each, Mapping)]
    named = ((str(each.get("name")), each.get("value")) for each in found)
    return {name.removeprefix(BOM_PROPERTY): value for name, value in named if name.startswith(BOM_PROPERTY)}
