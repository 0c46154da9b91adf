"""Run the folder itself, wherever it was copied to: `python verifier BUNDLE --keys KEYS`."""

import importlib
import sys
from pathlib import Path


def _command() -> str:
    """The name of the command's module; a folder that is run itself is no package until its parent is looked in."""
    if __package__:
        return f"{__package__}.command"
    folder = Path(__file__).resolve().parent
    sys.path.insert(0, str(folder.parent))
    return f"{folder.name}.command"


if __name__ == "__main__":
    sys.exit(importlib.import_module(_command()).main())
