"""Checks the form of a declaration: known keys, types and ranges, with every fault in words of YAML.

What is at fault is cut out of the document, so that the rest can be looked at for what it means. A key without a
value counts as not written, except where names are free (variables, options).
"""

import re
import shlex
from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError

from shopkart_pipeline.spec.faults import Faults, KeyPath, nearest, nearest_name, show
from shopkart_pipeline.spec.models.declaration import DeclarationSpec
from shopkart_pipeline.spec.yaml_document import Value

_ROUNDS = 8
"""Cutting something out can make what is around it incomplete; that is cut out in the next round."""

_LONGEST_ADVICE = 200


def check_form(document: dict[str, Value], faults: Faults, model: type[BaseModel] = DeclarationSpec) -> None:
    """Make sure that a document is a declaration in form, or what another model says.

    Args:
        document: what the YAML says; loses what is at fault, so that the rest is in form afterwards.
        faults: gets every fault.
        model: what the document has to be; it has a key `version`.

    Raises:
        DeclarationError: so much is wrong that nothing is left to look at.
    """
    for attempt in range(_ROUNDS):
        try:
            model.model_validate({"version": 1, **document} if attempt else document)
        except ValidationError as error:
            details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] == "missing")
        else:
            return
        for detail in details:
            path = tuple(segment for segment in detail["loc"] if segment != "[key]")
            if attempt == 0 and not faults.full:
                _tell(path, detail, faults, model)
            unknown = detail["type"] == "extra_forbidden" or "[key]" in detail["loc"]
            _cut(document, path[:-1] if detail["type"] == "missing" else path, whole=unknown)
    raise faults.error()


def _cut(document: dict[str, Value], path: KeyPath, *, whole: bool) -> None:
    """Take out the value at `path`, or the list that it is in; the key goes too if `whole`, or at the second time."""
    keys = [str(key) for key in takewhile(lambda segment: isinstance(segment, str), path)]
    holder: Value = document
    for key in keys[:-1]:
        holder = holder.get(key) if isinstance(holder, dict) else None
    if keys and isinstance(holder, dict):
        if whole or holder.get(keys[-1]) is None:
            holder.pop(keys[-1], None)
        else:
            holder[keys[-1]] = None


def _tell(path: KeyPath, detail: Mapping[str, Any], faults: Faults, model: type[BaseModel]) -> None:
    kind, value = str(detail["type"]), detail.get("input")
    if kind == "extra_forbidden":
        name, keys = str(path[-1]), known_keys(path[:-1], model)
        meant = nearest_name(name, keys)
        faults.add_form(path, f"unknown key; {nearest(name, keys)}", meant=(*path[:-1], meant) if meant else None)
    elif kind == "missing":
        faults.add_missing(path, "this key has to be written")
    elif "variables" in path:
        faults.add_form(path, "expected text; write the value in quotes")
    else:
        words = _WORDS.get(kind)
        faults.add_form(path, words(value, detail.get("ctx", {})) if words else str(detail["msg"]))


def known_keys(path: KeyPath, model: Any = DeclarationSpec) -> list[str]:
    """The keys that may stand under `path`; empty where they are free or there are none."""
    for segment in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            field = model.model_fields.get(str(segment))
            extra: Any = model.__annotations__.get("__pydantic_extra__")
            model = field.annotation if field else next(iter(_inner(extra)), None)
        else:
            model = next(iter(_inner(model)), None)
        model = _bare(model)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _bare(annotation: Any) -> Any:
    """An annotation without `None` and metadata."""
    choices = [choice for choice in get_args(annotation) if choice is not type(None)]
    optional = type(None) in get_args(annotation)
    return choices[0] if optional and len(choices) == 1 else annotation


def _inner(annotation: Any) -> tuple[Any, ...]:
    """What a list or mapping holds."""
    return get_args(_bare(annotation))[-1:]


def _expected(what: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, _: f"expected {what}, got {show(value)}{_hint(what, value)}"


def _hint(what: str, value: Any) -> str:
    match value:
        case str() if what == "a list" and len(value) <= _LONGEST_ADVICE:
            return f"; write {_as_list(value)}"
        case bool() | int() | float() if what == "text":
            return f'; write "{str(value).lower() if isinstance(value, bool) else value}" in quotes'
        case dict() if what == "text" and list(cast(dict[str, Value], value).values()) == [None]:
            return f"; write {show('{' + next(iter(cast(dict[str, Value], value))) + '}')} in quotes"
        case None if what == "text":
            return '; write "" for empty text'
        case str() if re.fullmatch(r"-?[0-9.]{1,20}%?", value) and "number" in what:
            return f"; write {value.rstrip('%')} without quotes or sign"
        case _:
            return ""


def _as_list(text: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = [text]
    return "[" + ", ".join(word if re.fullmatch(r"[\w./-]+", word) else show(word) for word in words) + "]"


def _bound(words: str, name: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, context: f"must be {words} {context[name]:g}, got {show(value).removeprefix('the number ')}"


def _choice(value: Any, context: Mapping[str, Any]) -> str:
    choices = re.findall(r"'([^']*)'|(\d+)", str(context["expected"]))
    names = [text or number for text, number in choices]
    return f"{show(value)} is not possible here; {nearest(str(value), names)}"


_WORDS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "literal_error": _choice,
    "model_type": _expected("keys with values"),
    "dict_type": _expected("keys with values"),
    "list_type": _expected("a list"),
    "string_type": _expected("text"),
    "int_type": _expected("a whole number"),
    "int_from_float": _expected("a whole number"),
    "float_type": _expected("a number"),
    "bool_type": _expected("true or false"),
    "finite_number": _expected("a finite number"),
    "greater_than_equal": _bound("at least", "ge"),
    "greater_than": _bound("more than", "gt"),
    "less_than_equal": _bound("at most", "le"),
    "less_than": _bound("less than", "lt"),
    "too_short": lambda value, context: "the list is empty; write at least one item",
}
