"""Who may reach what: confinement of commands, and the token that a machine shows. `settings` reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.given_secret import read_reference, referred
from shopkart_pipeline.known_secrets import know

CONFINEMENTS = ("auto", "required", "off")
_OF_OTHERS = (
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "KUBECONFIG",
)
"""By which the libraries that we use find credentials."""


@dataclass(frozen=True)
class AccessSettings:
    """What the environment says about access."""

    confinement: str = "auto"
    """`auto`: where the system allows it, and the evidence says so; `required`: no command without; `off`."""
    given_token: str = field(default="", repr=False)
    token_file: Path | None = None
    secret_files: tuple[Path, ...] = ()
    """Every file that a variable of ours names, or one of the libraries that we use: commands of the project's code
    don't find them."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "AccessSettings":
        """Raises `PipelineError` for what can't be used."""
        confinement = given.get("SHOPKART_CONFINEMENT") or "auto"
        if confinement not in CONFINEMENTS:
            raise PipelineError(f"SHOPKART_CONFINEMENT is {confinement!r}.", f"Use one of: {', '.join(CONFINEMENTS)}.")
        reference = referred(given, "SHOPKART_TOKEN")
        file = None if reference is None else reference.file
        token = "" if reference is None or file else read_reference(reference, given)
        named = [value for name, value in given.items() if name.startswith("SHOPKART_") and name.endswith("_FILE")]
        named += [path for name in _OF_OTHERS for path in given.get(name, "").split(os.pathsep)]
        return cls(confinement, token, file, tuple(Path(value).absolute() for value in named if value))

    def token(self) -> str:
        """The machine's token; empty where none is given. Raises `PipelineError` where its file can't be read."""
        if self.token_file is None:
            return self.given_token
        try:
            token = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise PipelineError(
                f"The file that SHOPKART_TOKEN_FILE names can't be read: {type(error).__name__}.", "Give access to it."
            ) from None
        if not token:
            raise PipelineError("The file that SHOPKART_TOKEN_FILE names is empty.", "Write the token into it.")
        know(token)
        return token
