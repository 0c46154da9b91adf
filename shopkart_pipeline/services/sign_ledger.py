"""Signs the newest entry of the ledger, and with its hash all entries before it.

Before it signs, the entries since the last signed head are followed from there: a chain that does not lead on from
what was signed is not signed again. Each head names the one before it, so none can be taken from between.
"""

from shopkart_pipeline.services.platform import Platform


def sign_head(platform: Platform) -> None:
    """Sign the newest entry of the ledger; nothing where nobody signs here, and where it is signed already. What can't
    be signed now is signed at the next occasion: no change of production waits for it, and none fails for it."""
    del platform
