"""Is an image what signed statements in the registry say? Asked of the registry, decided by public keys alone.

A registry is nobody's witness: whatever is attached to an image counts only where a trusted key signed it, about this
digest, and everything that is needed has to be there for one and the same release.
"""

from datetime import datetime

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.registry import ImageRegistry
from shopkart_pipeline.services.attach_envelope import attached_envelopes
from shopkart_pipeline.verifier.claims import FALSE, MISSING, PROVED, Claim, Fault
from shopkart_pipeline.verifier.envelopes import (
    PROVENANCE,
    RELEASE_WORDS,
    SBOM,
    VERIFICATION,
    Key,
    Signed,
    is_about,
    is_there,
    opened,
    words_of_kind,
)

_MOST_STATEMENTS = 1000
_NEEDED = {PROVENANCE, SBOM, VERIFICATION}
_OF_ALL = ("service", "repository")


def verify_image(
    registry: ImageRegistry,
    repository: str,
    digest: str,
    keys: tuple[Key, ...],
    now: datetime,
    source: str | None = None,
) -> tuple[Claim, ...]:
    """Every claim about an image that the registry holds.

    Args:
        registry: where the image is.
        repository: of the image, there.
        digest: which image.
        keys: the public keys that count.
        now: the moment of looking; a statement that names no moment is as old as that.
        source: the source repository that it has to be from; None: any, but one.
    """
    try:
        is_here = registry.has(repository, digest)
        found = attached_envelopes(registry, repository, digest)
    except PipelineError as error:
        return (Claim("registry", MISSING, error.what),)
    image = f"{registry.name} holds {digest}" if is_here else f"{registry.name} does not hold {digest}"
    claims, statements = [Claim("registry", PROVED if is_here else MISSING, image)], list[Signed]()
    if len(found) > _MOST_STATEMENTS:
        return (*claims, Claim("statements", FALSE, f"more than {_MOST_STATEMENTS} are attached"))
    for each in sorted(found, key=lambda each: each.digest):
        name = f"attestation {each.digest[7:19]}"
        try:
            signed = opened(each.to_bytes(), keys, now, now)
            is_about(signed, digest, {"repository": source} if source is not None else {})
            statements.append(signed)
            reason = f"{words_of_kind(signed.kind)} of {signed.at.isoformat()}, key {signed.key_id[:16]}"
            claims.append(Claim(name, PROVED, reason))
        except Fault as fault:
            claims.append(Claim(name, fault.state, fault.reason))
    there = [_there(statements, kind) for kind in (PROVENANCE, SBOM, VERIFICATION)]
    return (*claims, *there, _of_releases(statements))


def _there(statements: list[Signed], kind: str) -> Claim:
    try:
        return Claim(words_of_kind(kind), PROVED, is_there(statements, kind))
    except Fault as fault:
        return Claim(words_of_kind(kind), fault.state, fault.reason)


def _of_releases(statements: list[Signed]) -> Claim:
    """One repository and service throughout, and one release at least of which all kinds are there. Several releases
    have one image where inputs did not change; what leaves unsaid which one it is about counts for each."""
    said = {word: {str(each.named[word]) for each in statements if word in each.named} for word in RELEASE_WORDS}
    for word, values in said.items():
        if not values or (word in _OF_ALL and len(values) > 1):
            state = FALSE if values else MISSING
            return Claim("release", state, f"statements name {len(values)} values for {word}, not one")
    built = {
        tuple(str(each.named.get(word)) for word in RELEASE_WORDS) for each in statements if each.kind == PROVENANCE
    }
    stray = [each for each in statements if not any(_agrees(each, release) for release in built)]
    if built and stray:
        return Claim("release", FALSE, f"a {words_of_kind(stray[0].kind)} is of a release that has no provenance here")
    whole = [one for one in sorted(built) if {each.kind for each in statements if _agrees(each, one)} >= _NEEDED]
    if not whole:
        return Claim("release", MISSING, "there is none of which all that is needed is here")
    told = (", ".join(f"{word} {value}" for word, value in zip(RELEASE_WORDS, one, strict=True)) for one in whole)
    return Claim("release", PROVED, "; and ".join(told))


def _agrees(signed: Signed, release: tuple[str, ...]) -> bool:
    told = zip(RELEASE_WORDS, release, strict=True)
    return all(word not in signed.named or str(signed.named[word]) == value for word, value in told)
