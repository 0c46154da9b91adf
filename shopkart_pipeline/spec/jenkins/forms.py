"""Whether a text may stand at a place of the declaration, by the rules of the declaration itself."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.spec.text_types import Branch, Email, Owner, RelativePath, Repository, ServiceName

_EMAIL, _PATH, _REPOSITORY = TypeAdapter[str](Email), TypeAdapter[str](RelativePath), TypeAdapter[str](Repository)
_BRANCH, _OWNER, _SERVICE = TypeAdapter[str](Branch), TypeAdapter[str](Owner), TypeAdapter[str](ServiceName)


def is_email(text: str) -> bool:
    return _fits(_EMAIL, text)


def is_relative_path(text: str) -> bool:
    return _fits(_PATH, text)


def is_repository(text: str) -> bool:
    return _fits(_REPOSITORY, text)


def is_branch(text: str) -> bool:
    return _fits(_BRANCH, text)


def is_owner(text: str) -> bool:
    return _fits(_OWNER, text)


def is_service(text: str) -> bool:
    return _fits(_SERVICE, text)


def _fits(kind: TypeAdapter[Any], text: str) -> bool:
    try:
        kind.validate_python(text)
    except ValidationError:
        return False
    return True
