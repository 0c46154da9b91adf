"""Bills of materials as CycloneDX 1.6 in JSON, by the reference library (`_cyclonedx_document`).

The same bill gives the same bytes: keys are sorted here, since the library may order them in another way tomorrow.
Which package a component is, is read from its package URL.

Source: CycloneDX 1.6; package URL specification.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from packageurl import PackageURL

from shopkart_pipeline.domain.component import BillOfMaterials, PackageVersion
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.bill_format import BillFormat

_EXCLUDED, _SOURCE = "excluded", "shopkart:source"
_OF_PURL = {"pypi": "PyPI", "npm": "npm"}
_OF_DISTRIBUTION = {"debian": "Debian", "ubuntu": "Ubuntu", "alpine": "Alpine"}
_AGAIN = "Make it again: `shopkart rerun RELEASE attestations`."


class CycloneDxJson(BillFormat):
    """CycloneDX 1.6."""

    def write(self, bill: BillOfMaterials) -> bytes:
        # The library takes a quarter of a second to import, which only those who write should wait for.
        from shopkart_pipeline.adapters._cyclonedx_document import document_text

        return json.dumps(json.loads(document_text(bill)), sort_keys=True, separators=(",", ":")).encode()

    def packages(self, content: bytes) -> tuple[PackageVersion, ...]:
        try:
            found = json.loads(content)
            if found["bomFormat"] != "CycloneDX":
                raise ValueError("no CycloneDX")
            components = cast("list[dict[str, Any]]", found.get("components", []))
            there = (each for each in components if each.get("scope") != _EXCLUDED)
            return tuple(sorted({package for each in there for package in _packages(each)}))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UntrustedInput(f"This is no bill of materials: {type(error).__name__}.", _AGAIN) from error


def _packages(component: dict[str, Any]) -> Iterator[PackageVersion]:
    """The package, and the one of its source, by whose name people and advisories of distributions ask."""
    package = _package(str(component["purl"]))
    yield package
    for each in component.get("properties", []):
        if each["name"] == _SOURCE:
            yield replace(package, name=str(each["value"]))


def _package(purl: str) -> PackageVersion:
    url = PackageURL.from_string(purl)
    if url.type in _OF_PURL:
        name = f"{url.namespace}/{url.name}" if url.namespace else url.name
        return PackageVersion(_OF_PURL[url.type], name, url.version or "")
    namespace = url.namespace or url.type
    return PackageVersion(_OF_DISTRIBUTION.get(namespace, namespace), url.name, url.version or "")
