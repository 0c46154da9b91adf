"""Refuses to begin where what is kept would be gone with the pod, instead of losing it without a word.

A home that does not last (`SHOPKART_HOME_LASTS=no`) is each pod's own, and empty when it starts.
"""

from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.kept_here import kept_here
from shopkart_pipeline.settings import Settings


def refuse_what_would_be_lost(settings: Settings, pipeline: Pipeline) -> None:
    """Raises `PipelineError`, naming everything at once, where the home does not last and something rests on it."""
    if settings.home_lasts:
        return
    given = {
        "SHOPKART_STORES": settings.stores_address,
        "SHOPKART_INBOX": settings.inbox_address,
        "SHOPKART_LEDGER": settings.ledger.address,
        "SHOPKART_FINDING_NAMES_KEY": settings.finding_names_key,
    }
    found = [f"{name} is not set." for name, value in given.items() if not value]
    found += kept_here(pipeline, settings.home)
    if found:
        raise PipelineError(
            f"This home does not last, and something would be kept in it: {' '.join(found)}",
            "See docs/production-kubernetes.md, or say SHOPKART_HOME_LASTS=yes where it does.",
        )
