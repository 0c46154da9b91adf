"""Decides as IAM does whether policies allow a request, as far as policies of this repository go.

Of what it doesn't know (an element, an operator, a variable) it makes an error: a condition that nobody evaluated is
no proof. What is denied anywhere is denied; what is allowed nowhere is not allowed. Within one account an allowance of
the identity's own policies, or of the resource's, is enough.

Source: AWS Identity and Access Management User Guide, "Policy evaluation logic" and "Condition operators".
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

Document = Mapping[str, Any]

_KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition", "Principal"}


@dataclass(frozen=True)
class Request:
    """What somebody asks for."""

    action: str
    resource: str = "*"
    principal: str = ""
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict[str, "str | Sequence[str]"])


def is_allowed(request: Request, identity: Iterable[Document] = (), resource: Iterable[Document] = ()) -> bool:
    """Whether a request is allowed by policies of the identity and of what is asked for."""
    effects = [
        str(statement["Effect"])
        for document in (*identity, *resource)
        for statement in _list(document["Statement"])
        if _applies(statement, request)
    ]
    return "Deny" not in effects and "Allow" in effects


def _applies(statement: Document, request: Request) -> bool:
    unknown = set(statement) - _KNOWN
    if unknown:
        raise NotImplementedError(f"elements of a statement: {sorted(unknown)}")
    actions, resources = _list(statement["Action"]), _list(statement.get("Resource", "*"))
    return (
        any(_matches(each.lower(), request.action.lower()) for each in actions)
        and any(_matches(each, request.resource) for each in resources)
        and _is_principal(statement.get("Principal"), request.principal)
        and all(
            _holds(operator, key, _list(wanted), request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _is_principal(wanted: Any, principal: str) -> bool:
    if wanted is None or wanted == "*":
        return True
    names = [name for kind in wanted.values() for name in _list(kind)]
    account = re.match(r"(arn:[a-z-]+:iam::\d{12}):", principal)
    roots = () if account is None else (f"{account[1]}:root",)
    return "*" in names or any(name in (principal, *roots) for name in names)


def _holds(operator: str, key: str, wanted: Sequence[str], context: Mapping[str, str | Sequence[str]]) -> bool:
    found = context.get(key)
    if operator == "Null":
        return (found is None) == (wanted == ["true"])
    name, if_exists = operator.removesuffix("IfExists"), operator.endswith("IfExists")
    quantifier, _, name = name.rpartition(":")
    if found is None:
        return if_exists or quantifier == "ForAllValues" or name in _NEGATED
    values = [str(each) for each in _list(found)]
    if quantifier == "" and len(values) != 1:
        raise NotImplementedError(f"{operator} on several values of {key}")
    test = _OPERATORS.get(name)
    if test is None or quantifier not in ("", "ForAnyValue", "ForAllValues"):
        raise NotImplementedError(f"operator {operator}")
    met = [any(test(value, each) for each in wanted) for value in values]
    if name in _NEGATED:
        met = [all(test(value, each) for each in wanted) for value in values]
    return all(met) if quantifier == "ForAllValues" else any(met)


def _matches(pattern: str, value: str) -> bool:
    if "${" in pattern:
        raise NotImplementedError(f"a variable in {pattern}")
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in re.split(r"([*?])", pattern))
    return re.fullmatch("".join(parts), value, re.DOTALL) is not None


def _arn_matches(value: str, pattern: str) -> bool:
    """Each of the six parts by itself, so that a star doesn't reach over a colon."""
    parts, patterns = value.split(":", 5), pattern.split(":", 5)
    return len(parts) == len(patterns) and all(map(_matches, patterns, parts))


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, wanted: value == wanted,
    "StringNotEquals": lambda value, wanted: value != wanted,
    "StringLike": lambda value, wanted: _matches(wanted, value),
    "ArnEquals": _arn_matches,
    "ArnLike": _arn_matches,
    "ArnNotEquals": lambda value, wanted: not _arn_matches(value, wanted),
    "Bool": lambda value, wanted: value.lower() == wanted.lower(),
    "NumericGreaterThanEquals": lambda value, wanted: float(value) >= float(wanted),
}
_NEGATED = {"StringNotEquals", "ArnNotEquals"}


def _list(value: Any) -> list[Any]:
    return list(cast("Sequence[Any]", value)) if isinstance(value, list | tuple) else [value]
