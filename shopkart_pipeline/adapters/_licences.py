"""Under which licences an application ships what others wrote.

Every package of others is a finding for each condition of its licence: rule `licence:NAME`, alternatives joined by
` OR ` with the most permissive first, so that a gate denies by the beginning of a name (`licence:GPL-*`) what leaves no
better choice. What a package does not say in a way that can be recognised is `licence:unknown`.

Python packages are asked for `License-Expression`, then for a short `License`, then for classifiers; where there are
several of these all of them count. Node packages are asked for `license`, or the old `licenses`, of which one suffices.
The packages of the service itself are not counted: they lie in a folder of their own.

Sources: Core metadata specification and PEP 639; npm's documentation, package.json, `license`.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters._installed_files import node_manifests
from shopkart_pipeline.adapters._spdx import conditions, permissive_first, recognised, recognised_classifier
from shopkart_pipeline.domain.evidence import Finding, RawReport, Severity, fingerprint_of

_UNKNOWN = "licence:unknown"
_TOLD_CHARACTERS = 100


@dataclass(frozen=True)
class Licensed:
    """A package, and what it says about its licence."""

    ecosystem: str
    name: str
    version: str
    said: str
    """In its own words, shortened; empty where it says nothing."""
    expression: str | None
    """In SPDX; None where that can't be told."""

    @property
    def rules(self) -> tuple[str, ...]:
        """What gates match, one for each condition."""
        try:
            asked = conditions(self.expression or "")
        except ValueError:
            return (_UNKNOWN,)
        return tuple(f"licence:{' OR '.join(permissive_first(condition))}" for condition in asked)


class _OldLicence(BaseModel):
    type: str = ""


class LicenceManifest(BaseModel):
    """What a `package.json` says about its licence."""

    license: str | _OldLicence | None = None
    licenses: list[str | _OldLicence] = []

    def said(self) -> tuple[str, str | None]:
        """In its own words and in SPDX."""
        given = [self.license] if self.license is not None else self.licenses
        texts = [one.type if isinstance(one, _OldLicence) else one for one in given]
        names = [recognised(text) for text in texts]
        expression = " OR ".join(f"({name})" for name in names) if names and all(names) else None
        return _shortened("; ".join(texts)), expression


class _Manifest(LicenceManifest):
    name: str
    version: str = ""


def licensed_packages(folder: Path) -> list[Licensed]:
    """Packages of others that are installed below a folder, by name."""
    found = {*_python_packages(folder), *_node_packages(folder)}
    return sorted(found, key=lambda one: (one.name.lower(), one.version, one.ecosystem))


def licence_findings(packages: Iterable[Licensed]) -> tuple[Finding, ...]:
    """One finding for each package and condition; several versions of a package are one, which names them."""
    together: dict[tuple[str, str, str], list[Licensed]] = {}
    for package in packages:
        for rule in package.rules:
            together.setdefault((rule, package.ecosystem, package.name), []).append(package)
    return tuple(_finding(rule, same) for (rule, _, _), same in together.items())


def licence_measures(findings: Iterable[Finding]) -> dict[str, float]:
    """How many licences there are, and how many packages whose licence is unknown."""
    rules = [finding.rule for finding in findings]
    return {"licences": float(len({*rules} - {_UNKNOWN})), "unlicensed": float(rules.count(_UNKNOWN))}


def licence_report(packages: Iterable[Licensed]) -> RawReport:
    """What every package says, and what that is in SPDX."""
    listing = [
        {
            "ecosystem": one.ecosystem,
            "name": one.name,
            "version": one.version,
            "licence": one.expression,
            "said": one.said,
        }
        for one in packages
    ]
    return RawReport("licences.json", "application/json", json.dumps(listing, indent=1).encode())


def _finding(rule: str, same: list[Licensed]) -> Finding:
    one = same[0]
    if rule == _UNKNOWN:
        message = f"{one.name} names no licence that can be recognised: {one.said or 'nothing'}"
    else:
        message = f"{one.name} is under {one.expression}"
    return Finding(
        rule=rule,
        severity=Severity.INFO,
        message=message,
        fingerprint=fingerprint_of(rule, None, f"{one.ecosystem} {one.name}"),
        package=one.name,
        installed_version=", ".join(dict.fromkeys(each.version for each in same if each.version)) or None,
    )


def _python_packages(folder: Path) -> Iterator[Licensed]:
    for info in folder.rglob("*.dist-info"):
        if not info.is_dir():
            continue
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        metadata = info / "METADATA"
        text = metadata.read_text(encoding="utf-8", errors="replace") if metadata.is_file() else ""
        fields = HeaderParser().parsestr(text, headersonly=True)
        yield _licensed("PyPI", fields["Name"] or name, fields["Version"] or version, *said_by_metadata(fields))


def said_by_metadata(fields: Message) -> tuple[str, str | None]:
    """What a Python package's metadata say about its licence, in their own words and in SPDX."""
    classifiers = [one for one in fields.get_all("Classifier", []) if one.startswith("License ::")]
    candidates = [fields["License-Expression"] or "", fields["License"] or ""]
    expression = next(filter(None, map(recognised, candidates)), None) or _all_of(classifiers)
    return _shortened("; ".join(text for text in (*candidates, *classifiers) if text)), expression


def _all_of(classifiers: list[str]) -> str | None:
    """All that classifiers name; None where one of several can't be recognised, so that nothing is passed over."""
    names = [recognised_classifier(one) for one in classifiers if one != "License :: OSI Approved"]
    return " AND ".join(dict.fromkeys(filter(None, names))) if names and all(names) else None


def _node_packages(folder: Path) -> Iterator[Licensed]:
    for file in node_manifests(folder):
        try:
            manifest = _Manifest.model_validate_json(file.read_bytes())
        except ValidationError:
            yield _licensed("npm", file.parent.name, "", "", None)
            continue
        yield _licensed("npm", manifest.name, manifest.version, *manifest.said())


def _licensed(ecosystem: str, name: str, version: str, said: str, expression: str | None) -> Licensed:
    return Licensed(ecosystem, name[:_TOLD_CHARACTERS], version[:_TOLD_CHARACTERS], said, expression)


def _shortened(said: str) -> str:
    return " ".join(said.split())[:_TOLD_CHARACTERS]
