"""Files of the repository that a declaration names, such as a baseline: read where they lie, and nowhere else."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from shopkart_pipeline.adapters._report_limits import read_report


def read_named_file(tree: Path, name: str) -> bytes:
    """The content of a file below `tree`.

    Raises:
        ValueError: there is none, it is too big, or the name leads out of the tree.
    """
    root = tree.resolve()
    try:
        file = (root / name).resolve()
        content = read_report(file) if file.is_relative_to(root) else None
    except RuntimeError as error:
        raise ValueError(f"{name} is a link that goes round") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"{name} can't be read: {reason}") from error
    if content is None:
        raise ValueError(f"{name} leads out of the repository")
    return content


def digest_of_named_files(tree: Path, names: Iterable[str]) -> str:
    """One digest over these files, for the key of results that may be reused; a file that can't be read counts too."""
    digest = hashlib.sha256()
    for name in names:
        try:
            content = hashlib.sha256(read_named_file(tree, name)).digest()
        except ValueError:
            content = b"unreadable"
        digest.update(f"{name}\0".encode("utf-8", "surrogatepass") + content)
    return digest.hexdigest()
