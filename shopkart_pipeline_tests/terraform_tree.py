"""Reads Terraform files in canonical form (`terraform fmt`), in which a block at the top begins and ends at the margin.

Enough to ask what is declared and what refers to what; whether it is right, Terraform says.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TERRAFORM = Path(__file__).resolve().parents[1] / "deploy" / "terraform"
MODULES = sorted(path for path in (TERRAFORM / "modules").iterdir() if path.is_dir())
ROOTS = [TERRAFORM / "production", TERRAFORM / "staging"]
FOLDERS = [*MODULES, *ROOTS]

_BLOCK = re.compile(r'^(?P<kind>[a-z]+)(?P<labels>(?: "[^"]+")*) \{(?P<body>\}|$.*?^\})', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block at the top of a file, such as `resource "aws_vpc" "this"`."""

    kind: str
    labels: tuple[str, ...]
    body: str

    @property
    def address(self) -> str:
        """How other blocks name it, such as `aws_vpc.this`."""
        return ".".join(self.labels)

    def text(self, name: str) -> str:
        """The text of an argument that is one string; empty where there is none."""
        found = re.search(rf'^  {name} += "((?:[^"\\]|\\.)*)"$', self.body, re.MULTILINE)
        return found[1] if found else ""

    @property
    def arguments(self) -> set[str]:
        """Names of its own arguments and blocks."""
        return set(re.findall(r"^  ([a-z_][a-z0-9_]*)(?: +=| \{)", self.body, re.MULTILINE))


def blocks(folder: Path, kind: str = "") -> list[Block]:
    """All blocks of a folder's files, or those of a kind."""
    found = [
        Block(match["kind"], tuple(re.findall(r'"([^"]+)"', match["labels"])), match["body"])
        for file in sorted(folder.glob("*.tf"))
        for match in _BLOCK.finditer(file.read_text(encoding="utf-8"))
    ]
    return [block for block in found if not kind or block.kind == kind]


def code(folder: Path) -> str:
    """All files of a folder, without comments."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.tf")))
    return re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


def interface(folder: Path) -> str:
    """Inputs and outputs of a module, as its README lists them."""
    inputs = [f"| `{each.labels[0]}` | {each.text('description')} |" for each in blocks(folder, "variable")]
    outputs = [f"| `{each.labels[0]}` | {each.text('description')} |" for each in blocks(folder, "output")]
    tables = (("Inputs", inputs), ("Outputs", outputs))
    return "\n".join(f"## {title}\n\n| name | |\n| --- | --- |\n" + "\n".join(rows) + "\n" for title, rows in tables)


def policy(file: Path, **values: object) -> dict[str, Any]:
    """A policy as `templatefile` fills it in; every name has to have a value."""

    def filled(match: re.Match[str]) -> str:
        return str(values[match[1]])

    return json.loads(re.sub(r"\$\{(\w+)\}", filled, file.read_text(encoding="utf-8")))


def main() -> None:
    """Write the modules' inputs and outputs into their READMEs."""
    for folder in MODULES:
        readme = folder / "README.md"
        prose = readme.read_text(encoding="utf-8").partition("## Inputs")[0]
        readme.write_text(prose + interface(folder), encoding="utf-8")


if __name__ == "__main__":
    main()
