"""`shopkart iac drift|inventory`: infrastructure beside its declaration, and what there is of it.

`drift` asks Terraform, changes nothing, and exits with 1 where something is not as declared or could not be compared.
`inventory` writes the page that says what production is made of; with `--check` it only says whether that is true.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters.terraform import Terraform
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import InfrastructureState
from shopkart_pipeline.ports.infrastructure import Infrastructure
from shopkart_pipeline.services.render_inventory import render_inventory
from shopkart_pipeline.settings import terraform_variables

_PAGE = Path("docs/production-inventory.md")
_HINTS = "`terraform init` in that folder, and credentials that may read its state, are needed beforehand."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["drift", "inventory"])
    words = "drift: where roots of Terraform are; inventory: the folder of all of them (default: deploy/terraform)"
    parser.add_argument("folders", metavar="FOLDER", type=Path, nargs="*", help=words)
    parser.add_argument("--check", action="store_true", help="inventory: write nothing, and fail where it is not true")


def run(options: argparse.Namespace) -> int:
    console = Console(soft_wrap=True, highlight=False)
    folders: list[Path] = options.folders
    if options.what == "drift":
        tree = Path("deploy/terraform")
        return show_drift(Terraform(terraform_variables()), folders or [tree / "production", tree / "staging"], console)
    if len(folders) > 1:
        raise PipelineError("There is one inventory of all roots.", "Give one folder.")
    return _inventory(folders[0] if folders else Path("deploy/terraform"), options.check, console)


def show_drift(infrastructure: Infrastructure, roots: list[Path], console: Console) -> int:
    """Compare each root and show what drifted; 0 where all of it is as declared."""
    results = {root: infrastructure.compare(root) for root in roots}
    for root, result in results.items():
        if isinstance(result, EvidenceMissing):
            console.print(f"[bold]{escape(str(root))}[/]  [red]not compared[/]: {escape(result.reason)}")
            console.print(f"  {_HINTS}")
        else:
            _show(root, result, console)
    return 0 if all(isinstance(each, InfrastructureState) and not each.drifted for each in results.values()) else 1


def _show(root: Path, state: InfrastructureState, console: Console) -> None:
    words = f"{len(state.drifted)} drifted" if state.drifted else "as declared"
    style = "red" if state.drifted else "green"
    looked = f"{state.compared} resources looked at by {escape(state.tool)}"
    console.print(f"[bold]{escape(str(root))}[/]  [{style}]{words}[/], {looked}")
    if not state.drifted:
        return
    table = Table(box=None, padding=(0, 1, 0, 2))
    for name in ("resource", "difference", "action"):
        table.add_column(name)
    for each in state.drifted:
        table.add_row(escape(each.address), each.difference.value, escape(each.action))
    console.print(table)


def _inventory(tree: Path, check: bool, console: Console) -> int:
    page = render_inventory(tree)
    is_same = _PAGE.is_file() and _PAGE.read_text(encoding="utf-8") == page
    if check:
        words = "is up to date" if is_same else "differs; call it again without `--check`, and commit what it writes"
        console.print(f"{_PAGE} {words}.", markup=False)
        return 0 if is_same else 1
    write_atomically(_PAGE, page.encode())
    console.print(f"{_PAGE}: {'the same' if is_same else 'written'}.", markup=False)
    return 0
