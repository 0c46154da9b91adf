"""Keys that are somewhere else: AWS KMS, or any other place that `securesystemslib` has a signer for.

A URI names the key (`awskms:KEY`, `file2:PATH`, `gcpkms:...`, `hv:...`). AWS KMS tells its public key; for all others
it is in a file. The library is loaded here and now, because it loads AWS's with it, which takes a second.

Source: securesystemslib 1.6, `Signer.from_priv_key_uri` and `AWSSigner.import_`.
"""

from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shopkart_pipeline.adapters._signer_socket import SignerPlaces
from shopkart_pipeline.adapters.dsse import PublicKey, is_signed_by, load_public, public_pem_of
from shopkart_pipeline.adapters.signer_keys import key_in, read_key, signing
from shopkart_pipeline.domain.errors import ToolUnavailable

_AWS = "awskms:"


class SigningKey(Protocol):
    """A key that signs."""

    def sign(self, signed: bytes) -> tuple[PublicKey, bytes]:
        """The key that signed, and the signature. Raises `ToolUnavailable` where it can't be reached."""
        ...


class FileKey:
    """The key in the signer's folder, read for every signature, so that a rotation counts at once."""

    def __init__(self, places: SignerPlaces) -> None:
        self._places = places

    def sign(self, signed: bytes) -> tuple[PublicKey, bytes]:
        with signing(self._places):
            key: Ed25519PrivateKey = read_key(self._places.key)
        return key.public_key(), key.sign(signed)


class GivenKey:
    """A key that is held in memory, for a signer that keeps no files."""

    def __init__(self, pem: str) -> None:
        """Raises `Refused` for what is no Ed25519 key in PEM."""
        self._key = key_in(pem)
        self.public = self._key.public_key()

    def sign(self, signed: bytes) -> tuple[PublicKey, bytes]:
        return self.public, self._key.sign(signed)


class KeyAtUri:
    """A key that `securesystemslib` reaches."""

    def __init__(self, uri: str, public_key_file: Path | None) -> None:
        """Raises `ToolUnavailable` where the key can't be reached."""
        # It exports them without saying so as type checkers want it.
        from securesystemslib.signer import AWSSigner, Signer, SSlibKey  # pyright: ignore[reportPrivateImportUsage]

        self._kind = uri.partition(":")[0]
        try:
            if uri.startswith(_AWS):
                uri, known = AWSSigner.import_(uri.removeprefix(_AWS))
                self.public = load_public(known.keyval["public"])
            elif public_key_file is not None:
                self.public = load_public(public_key_file.read_text(encoding="ascii"))
                known = SSlibKey.from_crypto(self.public)
            else:
                raise ValueError("SHOPKART_SIGNER_PUBLIC_KEY_FILE does not say its public key")
            self._signer = Signer.from_priv_key_uri(uri, known)
        except Exception as error:  # The library passes on whatever the key's place raises.
            raise self._unavailable(error) from None

    def sign(self, signed: bytes) -> tuple[PublicKey, bytes]:
        try:
            signature = bytes.fromhex(self._signer.sign(signed).signature)
        except Exception as error:  # As above.
            raise self._unavailable(error) from None
        if not is_signed_by(public_pem_of(self.public), signed, signature):
            raise ToolUnavailable("The key's place gave a signature that its public key does not verify.", "Name both.")
        return self.public, signature

    def _unavailable(self, error: Exception) -> ToolUnavailable:
        """Without the library's words, in which a URI's credentials may be."""
        said = f": {error}" if type(error) is ValueError and "SHOPKART" in str(error) else ""
        return ToolUnavailable(
            f"The key of kind {self._kind} in SHOPKART_SIGNER_URI can't be used: {type(error).__name__}{said}.",
            "Check the URI, the rights of this process, and the way to the key.",
        )
