"""The shape of objects, from the API server's own OpenAPI documents of 1.36: which fields there are, which lists are
maps by a key or sets, and what is atomic. Kinds that came by a CustomResourceDefinition have no shape here: any field,
granular maps, atomic lists (what a CRD without list annotations gets)."""

import functools
import json
import lzma
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[2] / "samples" / "kubernetes" / "schema-1.36.json.xz"
_SCALARS = {"string": str, "integer": int, "boolean": bool, "number": (int, float), "array": list, "object": dict}


@functools.cache
def _document() -> dict[str, Any]:
    return json.loads(lzma.decompress(_FILE.read_bytes()))


@dataclass(frozen=True)
class Schema:
    """What may stand in one place."""

    place: Mapping[str, Any]

    @classmethod
    def of(cls, group: str, version: str, kind: str) -> "Schema":
        name = _document()["kinds"].get(f"{group}/{version}/{kind}")
        return FREE if name is None else cls({"ref": name})

    @property
    def _type(self) -> Mapping[str, Any]:
        return _document()["types"].get(self.place.get("ref", ""), {})

    @property
    def is_free(self) -> bool:
        """Nothing is known about it."""
        return "fields" not in self._type and "items" not in self.place and "values" not in self.place

    @property
    def is_atomic(self) -> bool:
        """Changes as a whole, has one owner."""
        return bool(self.place.get("atomic") or self._type.get("atomic"))

    @property
    def list_type(self) -> str:
        """`map`, `set` or `atomic`."""
        return self.place.get("list", "atomic")

    @property
    def keys(self) -> tuple[str, ...]:
        """What tells the items of a `map` list apart."""
        return tuple(self.place.get("keys", ()))

    @property
    def merge_key(self) -> str | None:
        """The key of a strategic merge patch, for lists that are merged by one."""
        return self.place.get("merge") if "patch" in self.place else None

    @property
    def merges_values(self) -> bool:
        """A list of scalars that a strategic merge patch adds to."""
        return "patch" in self.place and "merge" not in self.place

    @property
    def item(self) -> "Schema":
        return Schema(self.place["items"]) if "items" in self.place else FREE

    def child(self, name: str) -> "Schema":
        fields = self._type.get("fields")
        if fields is not None:
            return Schema(fields[name]) if name in fields else FREE
        return Schema(self.place["values"]) if "values" in self.place else FREE

    def default(self, name: str) -> Any:
        return self.child(name).place.get("default")

    def unknown_fields(self, value: Any, path: str = "") -> Iterator[str]:
        """Paths of the fields that do not exist, such as `spec.replica`."""
        fields = self._type.get("fields")
        if isinstance(value, dict):
            for name, inner in value.items():
                at = f"{path}.{name}" if path else name
                if fields is not None and name not in fields:
                    yield at
                else:
                    yield from self.child(name).unknown_fields(inner, at)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                yield from self.item.unknown_fields(inner, f"{path}[{index}]")

    def wrong_types(self, value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
        """Path, what stands there, and what should."""
        wanted = "object" if "ref" in self.place else self.place.get("type", "any")
        if value is None or (wanted == "any" and self.is_free):
            return
        if wanted in _SCALARS and (
            not isinstance(value, _SCALARS[wanted]) or (isinstance(value, bool) and wanted != "boolean")
        ):
            yield path, type(value).__name__, wanted
        elif isinstance(value, dict):
            for name, inner in value.items():
                yield from self.child(name).wrong_types(inner, f"{path}.{name}" if path else name)
        elif isinstance(value, list):
            for inner in value:
                yield from self.item.wrong_types(inner, path)


FREE = Schema({})
