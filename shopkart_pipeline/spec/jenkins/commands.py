"""Commands of a shell, by what they are for.

A script is cut into its lines, and these at `&&`, so that each command can go where it belongs. A script with loops,
conditions, functions or here-documents is not cut: it stays one. What a command is for is told by the program and its
subcommand alone; an unknown program is work of the team's own.
"""

import re
import shlex
from dataclasses import dataclass
from enum import Enum

_RUNNERS = re.compile(
    r"^(?:(?:sudo|time|exec|npx(?: --?[a-z-]+)*|poetry run|uv run|pipenv run|python3? -m|\S*/bin/python3? -m"
    r"|[A-Za-z_]\w*=(?:'[^']*'|\"[^\"]*\"|[^\s'\"]*))\s+)+"
)
_FOLDER_OF_PROGRAMS = re.compile(r"^(?:\./)?(?:node_modules/\.bin|\.?venv/bin|[\w./-]*/bin)/")
_CONTROL = re.compile(r"(?m)<<|^[ \t]*(?:if|for|while|until|case|function|select)\b|\(\)[ \t]*\{|^[ \t]*[{(]")
_IGNORED_FAILURE = re.compile(r"\s*\|\|\s*(?:true|:|echo\b.*|exit 0)\s*$")
_LONGEST = 20_000


class Work(Enum):
    """What a command is for; the value is the shipped stage that does it, where there is one."""

    SOURCE = "source"
    DEPENDENCIES = "dependencies"
    LINT = "lint"
    QUALITY = "quality"
    SECRET_SCAN = "secret_scan"
    DEPENDENCY_SCAN = "dependency_scan"
    APPLICATION = "application"
    IMAGE = "image"
    IMAGE_SCAN = "image_scan"
    PUBLISHED_IMAGE = "published_image"
    TESTS = "tests"
    DEPLOYMENT = "deployment"
    ROLLBACK = "rollback"
    CLEANUP = "cleanup"
    PREPARATION = "preparation"
    SHOW = "show"
    PAUSE = "pause"
    OWN = "own"


_KNOWN = tuple(
    (work, re.compile(rf"(?:{pattern})(?=\s|$)"))
    for work, pattern in (
        (Work.SHOW, r"\S+ (?:--version|-v|-V|version)$"),
        (Work.SOURCE, r"git (?:clone|fetch|checkout|pull|submodule|config)"),
        (
            Work.DEPENDENCIES,
            r"pip3? install|npm (?:ci|install|i)|yarn(?: install)?$|pnpm (?:i|install)|poetry install|uv (?:sync|venv)"
            r"|uv pip install|pipenv (?:install|sync)|venv|virtualenv|(?:\.|source) \S*activate$",
        ),
        (Work.LINT, r"ruff(?: check)?(?! format)|eslint"),
        (Work.QUALITY, r"(?:\S*/)?sonar-scanner|pysonar|(?:mvn|\./mvnw|gradle|\./gradlew) (?:.* )?sonar\S*"),
        (
            Work.DEPENDENCY_SCAN,
            r"pip-audit|(?:npm|yarn|pnpm) audit|safety (?:check|scan)|snyk test|(?:\S*/)?dependency-check(?:\.sh)?"
            r"|osv-scanner|trivy (?:fs|filesystem|repo)",
        ),
        (Work.SECRET_SCAN, r"gitleaks|trufflehog|detect-secrets(?:-hook)?|git secrets|git-secrets"),
        (Work.IMAGE_SCAN, r"trivy(?: image)?|grype|docker scout"),
        (
            Work.APPLICATION,
            r"build$|build --(?:wheel|sdist)"
            r"|python3? setup\.py (?:sdist|bdist_wheel)|poetry build|uv build",
        ),
        (Work.IMAGE, r"docker (?:buildx |image )?build|docker[- ]compose build|buildah (?:bud|build)|podman build"),
        (
            Work.PUBLISHED_IMAGE,
            r"docker (?:image )?(?:tag|push|login|logout)|aws ecr \S+|(?:podman|buildah) (?:push|tag|login)"
            r"|skopeo copy",
        ),
        (
            Work.TESTS,
            r"pytest|py\.test|(?:npm|yarn|pnpm) (?:run )?(?:test|integration|acceptance|e2e|unit)\S*|npm t|jest|vitest"
            r"|tox|nox|unittest|cypress|playwright|newman|behave|robot|go test",
        ),
        (Work.ROLLBACK, r"kubectl (?:.* )?rollout undo|helm rollback"),
        (
            Work.DEPLOYMENT,
            r"kubectl (?:-\S+ \S+ )*(?:apply|set image|rollout|annotate|config|get|describe|wait|scale)"
            r"|helm (?:upgrade|install|repo|dependency|list|status)|aws eks update-kubeconfig|argocd app (?:sync|wait)",
        ),
        (Work.CLEANUP, r"docker (?:rmi|rm|stop|kill|(?:image |system |container |builder )?prune)|rm -r?f?r?"),
        (Work.PREPARATION, r"(?:\.|source)|cd|export|set|mkdir|chmod|cp|mv|unset|umask"),
        (Work.SHOW, r"echo|printf|pwd|ls|env|printenv|whoami|date|cat|true|:"),
        (Work.PAUSE, r"sleep \d+[smh]?"),
    )
)


@dataclass(frozen=True)
class Command:
    """One command of a script."""

    text: str
    offset: int
    """Lines after the first one of its script."""
    work: Work
    plain_text: str
    """Without variables before it, without what runs it, and without `|| true`."""
    ignores_failure: bool


def commands_of(script: str) -> tuple[Command, ...]:
    """The commands of a script; all of it as one where it can't be cut."""
    text = script.strip()
    if not text:
        return ()
    before = script[: script.index(text[0])].count("\n")
    if len(text) > _LONGEST or _CONTROL.search(text):
        return (Command(text, before, Work.OWN, text, False),)
    commands: list[Command] = []
    joined, began = "", before
    for number, line in enumerate(text.splitlines(), before):
        began = began if joined else number
        joined += line.strip()
        if joined.endswith("\\"):
            joined = f"{joined[:-1].rstrip()} "
            continue
        if joined and not joined.startswith("#"):
            pieces = _cut(joined)
            if pieces is None:
                return (Command(text, before, Work.OWN, text, False),)
            commands.extend(_command(piece, began) for piece in pieces)
        joined = ""
    return tuple(commands) if not joined else (Command(text, before, Work.OWN, text, False),)


def _cut(line: str) -> list[str] | None:
    """The commands that `&&` joins; None where a quote is still open at the line's end."""
    if _signs(line) is None:
        return None
    pieces = [piece.strip() for piece in line.split("&&")]
    return [piece for piece in pieces if piece] if all(_signs(piece) is not None for piece in pieces) else [line]


def _signs(text: str) -> list[str] | None:
    """The programs' words between signs such as `|` and `;`, joined again; None where a quote is never closed."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=";|&")
    lexer.whitespace_split, lexer.commenters = True, ""
    pieces: list[list[str]] = [[]]
    try:
        for word in lexer:
            if word and all(sign in ";|&" for sign in word):
                pieces.append([])
            else:
                pieces[-1].append(word)
    except ValueError:
        return None
    return [" ".join(piece) for piece in pieces if piece]


def _command(text: str, offset: int) -> Command:
    meant = _IGNORED_FAILURE.sub("", text)
    head = _FOLDER_OF_PROGRAMS.sub("", _RUNNERS.sub("", meant))
    works = {_work_of_one(_FOLDER_OF_PROGRAMS.sub("", _RUNNERS.sub("", piece))) for piece in _signs(meant) or ()}
    return Command(text, offset, works.pop() if len(works) == 1 else Work.OWN, head, meant != text)


def _work_of_one(head: str) -> Work:
    for work, pattern in _KNOWN:
        if pattern.match(head):
            if work is Work.SHOW and re.search(r"[>`]|\$\(", head):
                return Work.OWN
            return work
    return Work.OWN
