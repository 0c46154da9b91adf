"""The id of a run follows from a key of whoever asks for it, so everybody who asks with one key means one run.

Knows nothing of Dagster and imports fast, so a command can name a run that is yet to be launched.
"""

import uuid

_NAMESPACE = uuid.UUID("6c7d5a52-6a0f-5b0e-9a64-0f4c7f5c1f0e")


def run_id_of(key: str) -> str:
    """The id of the run that a key stands for."""
    return str(uuid.uuid5(_NAMESPACE, key))
