"""Chooses who signs: the signer of this home, or one in the network; and with which key a signer does."""

from shopkart_pipeline.adapters.signer_at_address import SignerAtAddress
from shopkart_pipeline.adapters.signer_client import SignerClient
from shopkart_pipeline.ports.attestor import Attestor
from shopkart_pipeline.settings import Settings


def build_attestor(settings: Settings) -> Attestor:
    """Whom the pipeline asks to sign."""
    if settings.signer.address is None:
        return SignerClient(settings.signer_folder)
    return SignerAtAddress(*settings.signer.address, settings.signer.tokens[0])
