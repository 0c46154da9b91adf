"""A secret by reference: a variable, a file that `VARIABLE_FILE` names, or one of AWS Secrets Manager that
`VARIABLE_SECRET` names. Whatever is read becomes known to `known_secrets`, so that it is kept out of all output."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.notification import SecretReference
from shopkart_pipeline.known_secrets import know

if TYPE_CHECKING:
    from shopkart_pipeline.adapters.secrets_manager import SecretsManager


def referred(given: Mapping[str, str], name: str) -> SecretReference | None:
    """Where a secret is; None where none is given. Raises `PipelineError` for what says two things."""
    said = [form for form in (name, f"{name}_FILE", f"{name}_SECRET") if given.get(form, "").strip()]
    if len(said) > 1:
        raise PipelineError(f"Both {said[0]} and {said[1]} are given.", "Take one of them away.")
    if not said:
        return None
    value = given[said[0]].strip()
    match said[0].removeprefix(name):
        case "_FILE":
            return SecretReference(file=Path(value).absolute())
        case "_SECRET":
            return SecretReference(stored=value)
        case _:
            return SecretReference(variable=name)


def read_reference(reference: SecretReference, given: Mapping[str, str], *, lines: bool = False) -> str:
    """The secret, read when it is needed, as secrets are renewed.

    Args:
        reference: where it is.
        given: the variables.
        lines: whether it may have several lines, as a private key.

    Raises:
        ToolUnavailable: it is not there.
    """
    try:
        if reference.stored is not None:
            value = _secrets_manager().read(reference.stored)
        elif reference.file is not None:
            value = reference.file.read_text(encoding="utf-8")
        else:
            value = given[reference.variable or ""]
    except KeyError:
        raise ToolUnavailable(f"{reference} is not set.", "Set it for the process that sends.") from None
    except (OSError, ValueError) as error:
        raise ToolUnavailable(
            f"The secret in {reference} can't be read: {type(error).__name__}.", "Check the file and who may read it."
        ) from None
    know(value)
    if not (value := value.strip()) or not (lines or value.isprintable()):
        raise ToolUnavailable(f"{reference} holds no secret.", "Set it to the secret alone, on one line.")
    return value


@cache
def _secrets_manager() -> "SecretsManager":
    # AWS's client library takes a fifth of a second to import, which only those who use it should wait for.
    from shopkart_pipeline.adapters.secrets_manager import SecretsManager

    return SecretsManager()
