"""Locks of npm, for tests of dependency scans."""

import json
from collections.abc import Mapping
from typing import Any


def package_lock(packages: Mapping[str, Mapping[str, Any] | str], **details: Any) -> str:
    """A lock as npm writes it, of packages by their place below `node_modules/` and with their versions."""
    entries = {
        f"node_modules/{place}": {"version": entry, "license": "MIT"} if isinstance(entry, str) else entry
        for place, entry in packages.items()
    }
    direct = {
        place: entry for place, entry in packages.items() if isinstance(entry, str) and "node_modules" not in place
    }
    root = {"name": "storefront", "version": "1.0.0", "dependencies": direct}
    document = {"name": "storefront", "version": "1.0.0", "lockfileVersion": 3, "requires": True, **details}
    return json.dumps({**document, "packages": {"": root, **entries}}, indent=2) + "\n"
