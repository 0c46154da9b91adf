"""The JSON Schema of the declaration, for editors. `python -m shopkart_pipeline.spec.schema` writes what is generated.

The schema knows the form of a declaration, not its meaning: names, cycles and inherited limits are for `shopkart
validate`. A test keeps the shipped file and the key reference in `docs/declaration.md` current.
"""

import json
from pathlib import Path
from typing import Any

from shopkart_pipeline.spec.models.declaration import DeclarationSpec

SCHEMA_FILE = Path(__file__).with_name("shopkart.schema.json")

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL: Schema = {"type": "null"}


def to_json_schema() -> Schema:
    """The schema of `shopkart.yaml`."""
    generated = _tidy(DeclarationSpec.model_json_schema())
    return {"$schema": _DIALECT, "title": "ShopKart pipeline declaration", **generated}


def schema_text() -> str:
    """The content of the shipped schema file."""
    return json.dumps(to_json_schema(), indent=1, ensure_ascii=False) + "\n"


def _tidy(schema: Schema) -> Schema:
    """The schema without generated titles and `default: null`, closed to other keys, and with short nullables."""
    tidied = {key: value for key, value in schema.items() if key not in ("title", "default")}
    for key in ("properties", "patternProperties", "$defs"):
        if key in tidied:
            tidied[key] = {name: _tidy(content) for name, content in tidied[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(tidied.get(key), dict):
            tidied[key] = _tidy(tidied[key])
    if "patternProperties" in tidied:
        tidied.setdefault("additionalProperties", False)
    if "anyOf" in tidied:
        return _nullable({**tidied, "anyOf": [_tidy(choice) for choice in tidied["anyOf"]]})
    return tidied


def _nullable(schema: Schema) -> Schema:
    """`anyOf: [X, null]` as one X that may be null, where X is a plain type."""
    choices = [choice for choice in schema["anyOf"] if choice != _NULL]
    if len(choices) != 1 or len(choices) == len(schema["anyOf"]) or not isinstance(choices[0].get("type"), str):
        return schema
    [choice] = choices
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    enum = {"enum": [*choice["enum"], None]} if "enum" in choice else {}
    return {**choice, "type": [choice["type"], "null"], **enum, **rest}


def main() -> None:
    """Write the schema file, and the key reference of a checkout."""
    from shopkart_pipeline.spec.reference import REFERENCE_FILE, with_reference

    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    if REFERENCE_FILE.exists():
        REFERENCE_FILE.write_text(with_reference(REFERENCE_FILE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
