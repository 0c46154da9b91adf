"""Reads the bytes of a declaration and makes sure that they are text of a sane size.

Whatever stands in the way is a fault of the declaration, never a traceback. What the text means is left to
`yaml_document`.
"""

import codecs
import hashlib
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.spec.faults import WHOLE_FILE, Faults

MAXIMUM_SIZE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class SourceFile:
    """A declaration as it was read."""

    text: str
    digest: str
    """`sha256:` of the bytes."""


def read_source(file: Path, faults: Faults) -> SourceFile:
    """Read a declaration.

    Args:
        file: where it is.
        faults: what the file is reported under.

    Raises:
        DeclarationError: there is no such file, it can't be read, is larger than 1 MiB or is not UTF-8.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAXIMUM_SIZE_BYTES + 1)
    except FileNotFoundError:
        raise faults.alone(1, "there is no such file; write one, or name the one that is meant") from None
    except IsADirectoryError:
        raise faults.alone(1, "this is a folder; name the declaration in it, such as shopkart.yaml") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise faults.alone(1, f"the file can't be read ({reason}); check its name and permissions") from None
    if len(content) > MAXIMUM_SIZE_BYTES:
        limit = f"{MAXIMUM_SIZE_BYTES // 1024} KiB"
        raise faults.alone(1, f"the file is larger than {limit}; move what services share to `defaults`")
    return SourceFile(_decode(content, faults), f"sha256:{hashlib.sha256(content).hexdigest()}")


def _decode(content: bytes, faults: Faults) -> str:
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise faults.alone(line, f"the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8", WHOLE_FILE) from None
