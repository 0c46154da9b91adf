"""The signer's key: made on first use, kept for its owner alone, and rotated without a gap.

The key file has mode 0600 in a folder with mode 0700, and both are ours: anything else is refused, as somebody else may
have read it. Which keys are trusted, and from when until when, stands in the file of trusted keys.

Rotation writes the next key, then the trusted keys (the old one until now, the next one from now), then puts the next
key in the place of the old one. Broken off after the second step, the next start of the signer ends it; broken off
before, the next key is nobody's and is thrown away.
"""

import fcntl
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._signer_socket import SignerPlaces
from shopkart_pipeline.adapters.dsse import PublicKey, key_id_of, public_pem_of, read_keys, write_keys
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.signable import CLOCK_TOLERANCE_SECONDS
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys

_OTHERS = 0o077


def make_folder(places: SignerPlaces) -> None:
    """The signer's folder, for its owner alone. Raises `Refused` where it is open to others."""
    places.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _refuse_unless_private(places.folder.stat(follow_symlinks=False), places.folder)


def open_key(places: SignerPlaces) -> Ed25519PrivateKey:
    """The key of a folder, made where there is none. Raises `Refused` for a key that others may have read."""
    make_folder(places)
    if not places.key.exists():
        _write_key(places.key)
    return read_key(places.key)


def read_key(path: Path) -> Ed25519PrivateKey:
    """The private key in a file. Raises `Refused` for one that others may have read, or that is no such key."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:
            _refuse_unless_private(os.fstat(stream.fileno()), path)
            key = serialization.load_pem_private_key(stream.read(10_000), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise Refused(
            f"The key {path} can't be read: {type(error).__name__}.", "Put its backup in its place."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused(f"The key {path} is not an Ed25519 key.", "Name others in SHOPKART_SIGNER_URI.")
    return key


def key_in(pem: str) -> Ed25519PrivateKey:
    """The private key in a text. Raises `Refused` for what is none."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise Refused(
            "SHOPKART_SIGNER_KEY holds no private key.", "Make one: openssl genpkey -algorithm ed25519"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Refused("SHOPKART_SIGNER_KEY is not an Ed25519 key.", "Name others in SHOPKART_SIGNER_URI.")
    return key


def refuse_unless_trusted(keys_file: Path, key: PublicKey, now: datetime) -> None:
    """Raises `Refused` where a file does not trust the key now: whoever verifies would refuse all that it signs."""
    keys = read_keys(keys_file.read_bytes(), str(keys_file)) if keys_file.exists() else TrustedKeys(())
    if not any(each.key_id == key_id_of(key) and each.holds(now) for each in keys.keys):
        raise Refused(
            f"Key {key_id_of(key)[:12]} is not trusted now by {keys_file}.",
            "Add it there (`shopkart signer keys` prints the file with it), or make a new one: "
            "`shopkart signer rotate`.",
        )


def trust_first(keys_file: Path, key: PublicKey, now: datetime) -> TrustedKeys:
    """The trusted keys; where there is no such file yet, one that trusts this key from now on. What was stated while
    the first signer was still starting counts too. Raises as `refuse_unless_trusted`.
    """
    if not keys_file.exists():
        since = now - timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
        write_atomically(keys_file, write_keys([TrustedKey(key_id_of(key), public_pem_of(key), since)]))
    refuse_unless_trusted(keys_file, key, now)
    return read_keys(keys_file.read_bytes(), str(keys_file))


def rotate_file_key(places: SignerPlaces, keys_file: Path, now: datetime) -> TrustedKey:
    """Make a new key and trust it from now on, and the old one for what it signed until now. Returns the new one."""
    make_folder(places)
    with _locked(places, fcntl.LOCK_EX):
        places.next_key.unlink(missing_ok=True)
        last = key_id_of(read_key(places.key).public_key()) if places.key.exists() else None
        fresh = _write_key(places.next_key).public_key()
        added = trust_next(keys_file, fresh, now, instead_of=last)
        places.next_key.replace(places.key)
    return added


def trust_next(keys_file: Path, key: PublicKey, now: datetime, *, instead_of: str | None) -> TrustedKey:
    """Trust a key from now on, and the one that it comes instead of until now; the keys of others stay as they are.

    Raises:
        Refused: the key is in the file already: what it signed would not count any more.
    """
    added = TrustedKey(key_id_of(key), public_pem_of(key), now)
    known = read_keys(keys_file.read_bytes(), str(keys_file)).keys if keys_file.exists() else ()
    if any(each.key_id == added.key_id for each in known):
        raise Refused(
            f"Key {added.key_id[:12]} is in {keys_file} already.", "Name the next key in SHOPKART_SIGNER_URI."
        )
    ended = [replace(each, valid_until=now) if _ends(each, instead_of) else each for each in known]
    write_atomically(keys_file, write_keys([*ended, added]))
    return added


def _ends(key: TrustedKey, replaced: str | None) -> bool:
    return key.key_id == replaced and key.valid_until is None


def end_rotation(places: SignerPlaces, keys_file: Path, now: datetime) -> None:
    """End a rotation that was broken off, forwards where the next key is trusted, else backwards."""
    if not places.next_key.exists():
        return
    with _locked(places, fcntl.LOCK_EX):
        fresh = key_id_of(read_key(places.next_key).public_key())
        keys = read_keys(keys_file.read_bytes(), str(keys_file)).keys if keys_file.exists() else ()
        if any(key.key_id == fresh and key.holds(now) for key in keys):
            places.next_key.replace(places.key)
        else:
            places.next_key.unlink()


@contextmanager
def signing(places: SignerPlaces) -> Generator[None]:
    """While nobody rotates."""
    with _locked(places, fcntl.LOCK_SH):
        yield


@contextmanager
def _locked(places: SignerPlaces, how: int) -> Generator[None]:
    descriptor = os.open(places.keys_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _write_key(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(path, pem, mode=0o600)
    return key


def _refuse_unless_private(found: os.stat_result, path: Path) -> None:
    if found.st_uid != os.geteuid():
        raise Refused(f"{path} belongs to another user.", "Only what is its owner's alone holds a key.")
    if stat.S_ISLNK(found.st_mode) or found.st_mode & _OTHERS:
        raise Refused(
            f"{path} is open to others (mode {stat.S_IMODE(found.st_mode):04o}).",
            "Others may have read the key: make a new one (`shopkart signer rotate`), and take their rights away.",
        )
