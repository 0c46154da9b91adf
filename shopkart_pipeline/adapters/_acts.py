"""Acts as documents: what a ledger stores, and how it is read again."""

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.known_secrets import masked
from shopkart_pipeline.ports.ledger import Act, Entry

_ACT = TypeAdapter(Act)


def document_of(act: Act) -> str:
    """Canonical JSON, without any known secret."""
    return masked(canonical_json(act).decode())


def entry_of(sequence: int, document: str, previous_hash: str, entry_hash: str) -> Entry:
    """A stored entry; raises `PipelineError` for what can't be read."""
    try:
        act = _ACT.validate_json(document)
    except ValidationError:
        raise PipelineError(f"Entry {sequence} of the ledger can't be read.", "See `shopkart ledger verify`.") from None
    return Entry(sequence, act, previous_hash, entry_hash)
