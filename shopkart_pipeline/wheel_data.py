"""What the wheel carries beside its code: Dagster's configuration, and what is deployed, as `shopkart_pipeline/data`.

Hatchling runs this when the package is built; nothing else uses it. The JSON Schema and `shipped.yaml` are package data
of the code itself. Only files of known kinds go in: a plan, a state or variables of Terraform that lie about never do.
An editable installation has the files beside it already, and needs none of them to be there.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_KINDS = {".cfg", ".hcl", ".json", ".lock", ".md", ".tf", ".tftest", ".tpl", ".txt", ".yaml", ".yml"}
_NAMES = {"Dockerfile"}
_NEVER = ("tfstate", "tfplan", "tfvars")


class WheelData(BuildHookInterface[BuilderConfig]):
    """Adds the files to a wheel that is no editable one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "standard":
            return
        root = Path(self.root)
        files = [root / "dagster.yaml", root / "workspace.yaml", *_deployed(root / "deploy")]
        places = {str(file): f"shopkart_pipeline/data/{file.relative_to(root).as_posix()}" for file in files}
        build_data["force_include"].update(places)


def _deployed(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file() and _belongs(file.relative_to(folder)))


def _belongs(path: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.parts)
    is_private = any(word in path.name for word in _NEVER)
    return not is_hidden and not is_private and (path.suffix in _KINDS or path.name in _NAMES)
