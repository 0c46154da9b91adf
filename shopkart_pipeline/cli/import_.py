"""`shopkart import jenkins FILE`: a declaration out of a declarative Jenkinsfile, and what became of each of its lines.

The declaration goes to the terminal or to `--out`; what could not be translated stands in it as comments, too. What
became of every line goes to the error output, so that the declaration can be redirected. Nothing of the file is run.
"""

import argparse
import tempfile
from pathlib import Path

from rich.console import Console

from shopkart_pipeline.domain.errors import PipelineError, UntrustedInput
from shopkart_pipeline.spec.jenkins.draft import Asked
from shopkart_pipeline.spec.jenkins.forms import is_email, is_owner, is_repository, is_service
from shopkart_pipeline.spec.jenkins.notes import Note, Treatment
from shopkart_pipeline.spec.jenkins.translate import Translation, translate
from shopkart_pipeline.spec.loader import load

_LARGEST_BYTES = 128 * 1024
_STYLES = {
    Treatment.TRANSLATED: "green",
    Treatment.SHIPPED: "dim",
    Treatment.LEFT: "yellow",
    Treatment.TO_SAY: "bold",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", choices=["jenkins"], help="what to translate")
    parser.add_argument("file", metavar="FILE", type=Path, help="a declarative Jenkinsfile")
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="where to write the declaration; default: the terminal"
    )
    parser.add_argument("--service", metavar="NAME", help="name of the service; default: that of its image")
    parser.add_argument("--repository", metavar="OWNER/NAME", help="its repository, as GitHub spells it")
    parser.add_argument("--owner", metavar="OWNER", help="who answers for it: an e-mail address or team:NAME")
    words = "e-mail address of somebody who may approve (may be said again)"
    parser.add_argument("--approver", metavar="EMAIL", action="append", default=[], help=words)
    parser.add_argument(
        "--command", dest="start", metavar="WORDS", help="what starts the service, as the Dockerfile says it"
    )


def run(options: argparse.Namespace) -> int:
    translation = import_jenkinsfile(options.file, _asked(options))
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    for note in translation.notes:
        console.print(str(note), markup=False, style=_STYLES[note.treatment])
    console.print(_counted(translation.notes), style="bold")
    if options.out is None:
        print(translation.declaration, end="")
        return 0
    try:
        with options.out.open("x", encoding="utf-8") as file:
            file.write(translation.declaration)
    except FileExistsError:
        raise PipelineError(f"{options.out} is there already.", "Nothing is overwritten: name another file.") from None
    except OSError as error:
        raise PipelineError(f"{options.out} can't be written: {error.strerror}.", "Name another file.") from error
    return 0


def import_jenkinsfile(file: Path, asked: Asked) -> Translation:
    """The declaration of a Jenkinsfile, with a heading that says what is left to do.

    Raises:
        UntrustedInput: the file can't be read as a declarative Jenkinsfile.
        DeclarationError: what came of it is no valid declaration.
    """
    translation = translate(_read(file), asked)
    text = _headed(file.name, translation)
    with tempfile.TemporaryDirectory(prefix="shopkart-") as folder:
        written = Path(folder) / "shopkart.yaml"
        written.write_text(text, encoding="utf-8")
        load(written, home=Path(folder))
    return Translation(text, translation.notes)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise UntrustedInput(f"{file} can't be read: {error.strerror}.", "Name a Jenkinsfile.") from error
    if len(content) > _LARGEST_BYTES:
        raise UntrustedInput(f"{file} has more than {_LARGEST_BYTES // 1024} KiB.", "That is no Jenkinsfile.")
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UntrustedInput(f"{file} is no text in UTF-8.", "Save it as UTF-8.") from None


def _asked(options: argparse.Namespace) -> Asked:
    said = (
        ("--service", options.service, is_service, "a name of lower-case letters, digits and hyphens"),
        ("--repository", options.repository, is_repository, "a repository as GitHub spells it"),
        ("--owner", options.owner, is_owner, "an e-mail address or team:NAME"),
        *(("--approver", each, is_email, "an e-mail address") for each in options.approver),
    )
    for option, value, fits, rule in said:
        if value is not None and not fits(value):
            raise UntrustedInput(f"{option} {value!r} is not {rule}.", "Say it as the declaration wants it.")
    start = tuple((options.start or "").split())
    return Asked(options.service, options.repository, options.owner, tuple(options.approver), start)


def _headed(name: str, translation: Translation) -> str:
    notes = [each for each in translation.notes if each.treatment in (Treatment.LEFT, Treatment.TO_SAY)]
    schema = "# yaml-language-server: $schema=shopkart_pipeline/spec/shopkart.schema.json"
    beginning = (
        f"# From {ascii(name)[1:-1]}, by `shopkart import jenkins`. Each line below is left to you; then delete it."
    )
    return "\n".join((schema, beginning, *(f"# {note}" for note in notes), translation.declaration))


def _counted(notes: tuple[Note, ...]) -> str:
    counts = [f"{sum(note.treatment is each for note in notes)} {each.value}" for each in Treatment]
    return f"{', '.join(counts)}."
