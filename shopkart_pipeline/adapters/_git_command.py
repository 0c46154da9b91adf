"""How git is run: with nothing of the machine's user or of the repository in force.

No hook, filter, pager or configuration runs but what stands here; only `file`, `https` and `ssh` remotes are spoken
to; nothing is asked at a terminal. A remote's address may hold a credential: it is handed over in the environment,
where neither a process list nor a file shows it, and is cut from every message.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._process import Command, Completed, find_executable, run
from shopkart_pipeline.domain.errors import ToolUnavailable

_CREDENTIALS = re.compile(r"//[^/@\s]+@")
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
)
_VARIABLES = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "file:https:ssh",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
}


def run_git(
    repository: Path,
    arguments: Sequence[str],
    timeout_seconds: float,
    *,
    remote: str | None = None,
    authorization: str = "",
    variables: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> Completed:
    """Run git on a bare repository.

    Args:
        repository: the repository's folder; its parent exists.
        arguments: git's command with its own arguments, nothing unchecked before its `--` or `--end-of-options`.
        remote: address of the remote that the arguments call `origin`; None for what needs no network.
        authorization: the HTTP header of that name for the remote alone; empty: nobody is introduced.
        variables: further environment variables.
        stdin: what git reads from standard input.

    Raises:
        ToolUnavailable: git is not installed.
    """
    git = find_executable("git")
    if git is None:
        raise ToolUnavailable("git is not installed.", "Install git.")
    settings = [word for setting in (f"safe.directory={repository}", *_SETTINGS) for word in ("-c", setting)]
    options = [f"--git-dir={repository}", "--no-replace-objects", "--literal-pathspecs"]
    return run(
        Command(
            [git, *settings, *options, *arguments],
            repository.parent,
            timeout_seconds,
            variables={**_VARIABLES, **(_origin(remote, authorization) if remote else {}), **(variables or {})},
            network=remote is not None,
            capture=True,
            stdin=stdin,
            confined=False,
        )
    )


def command_name(arguments: Sequence[str]) -> str:
    """`git fetch` and the like, for messages."""
    return "git " + next(argument for argument in arguments if not argument.startswith("-"))


def without_credentials(text: str, remote: str, name: str) -> str:
    """A message of git's with the remote's address replaced by the repository's `name`."""
    return _CREDENTIALS.sub("//", text.replace(remote, name))


def _origin(remote: str, authorization: str) -> dict[str, str]:
    """The remote as configuration in the environment. What introduces us goes to that address, and follows nobody to
    another one."""
    settings = [("remote.origin.url", remote)]
    if authorization:
        settings += [
            (f"http.{remote}.extraHeader", f"Authorization: {authorization}"),
            (f"http.{remote}.followRedirects", "false"),
        ]
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return variables
