"""Packages of an operating system in an image: dpkg and apk, as their databases tell.

What dpkg has removed and only remembers does not count. Of RPM's database nothing can be read here, which is said.

Sources: dpkg's status file (deb-control), Alpine's `lib/apk/db/installed`, os-release.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from packageurl import PackageURL

from shopkart_pipeline.adapters._found_components import Findings, Found, is_package, place_of
from shopkart_pipeline.adapters._image_tree import ImageTree, KeptFile
from shopkart_pipeline.domain.component import Component, PackageVersion

OS_RELEASE = ("etc/os-release", "usr/lib/os-release")
_DPKG, _DPKG_PARTS = "var/lib/dpkg/status", "var/lib/dpkg/status.d/"
_APK = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
"""The second where `/lib` is a link to `/usr/lib`."""
_RPM = tuple(
    f"{folder}/{name}"
    for folder in ("var/lib/rpm", "usr/lib/sysimage/rpm")
    for name in ("Packages", "Packages.db", "rpmdb.sqlite")
)
_ECOSYSTEMS = {"debian": "Debian", "ubuntu": "Ubuntu", "alpine": "Alpine"}


@dataclass(frozen=True)
class SystemRelease:
    """Which operating system an image is made of; empty where it does not say."""

    id: str = ""
    version: str = ""
    name: str = ""


def is_system_file(path: str) -> bool:
    """Whether a file tells of the operating system or its packages."""
    in_parts = path.startswith(_DPKG_PARTS) and not path.endswith(".md5sums")
    return path in (*OS_RELEASE, _DPKG, *_APK) or in_parts


def system_release(files: Iterable[KeptFile]) -> SystemRelease:
    """What `os-release` says."""
    said: dict[str, str] = {}
    for file in files:
        if file.path in OS_RELEASE and file.content is not None:
            lines = (line.partition("=") for line in file.content.decode(errors="replace").splitlines())
            said = {key: value.strip("\"'") for key, _, value in lines} | said
    return SystemRelease(said.get("ID", ""), said.get("VERSION_ID", ""), said.get("PRETTY_NAME", ""))


def system_components(files: Iterable[KeptFile], release: SystemRelease) -> tuple[list[Component], tuple[str, ...]]:
    """The packages that these files tell of, and what can't be told."""
    findings = Findings()
    for file in files:
        if file.path in OS_RELEASE:
            continue
        if file.content is None:
            findings.unreadable.append(file.path)
            continue
        text = file.content.decode(errors="replace")
        for fields in _apk_paragraphs(text) if file.path in _APK else _dpkg_paragraphs(text):
            one = _found(file, fields, release, "apk" if file.path in _APK else "deb")
            if one is None:
                findings.unreadable.append(f"{fields.get('Package', 'a paragraph')} in {file.path}")
            else:
                findings.found.append(one)
    return list(_with_needs(findings.found)), findings.note("the operating system")


def unread_databases(tree: ImageTree) -> tuple[str, ...]:
    """What can't be read at all, in whole sentences."""
    return tuple(f"The packages in {path} can't be read: RPM is not supported." for path in _RPM if tree.has(path))


def _dpkg_paragraphs(text: str) -> Iterator[dict[str, str]]:
    for paragraph in text.split("\n\n"):
        fields, last = dict[str, str](), ""
        for line in paragraph.splitlines():
            if line[:1] in (" ", "\t"):
                if last:
                    fields[last] += f"\n{line.strip()}"
                continue
            last, _, value = line.partition(":")
            fields[last] = value.strip()
        # Where each package has a file of its own, nothing says that it is installed; it is there because it is.
        if fields and fields.get("Status", "install ok installed").split()[-1] == "installed":
            yield fields


def _apk_paragraphs(text: str) -> Iterator[dict[str, str]]:
    names = {
        "P": "Package",
        "V": "Version",
        "A": "Architecture",
        "o": "Source",
        "L": "License",
        "D": "Depends",
        "p": "Provides",
    }
    for paragraph in text.split("\n\n"):
        lines = (line.partition(":") for line in paragraph.splitlines())
        fields = {names[key]: value for key, _, value in lines if key in names}
        if fields:
            yield fields


def _found(file: KeptFile, fields: Mapping[str, str], release: SystemRelease, kind: str) -> Found | None:
    name, version = fields.get("Package"), fields.get("Version")
    if name is None or version is None or not is_package(name, version):
        return None
    distribution = f"{release.id}-{release.version}" if release.id and release.version else None
    qualifiers = {"arch": fields.get("Architecture"), "distro": distribution}
    told = {key: value for key, value in qualifiers.items() if value}
    source = fields.get("Source", "").partition(" ")[0]
    component = Component(
        PackageVersion(_ECOSYSTEMS.get(release.id, release.id or kind), name, version),
        PackageURL(kind, release.id or None, name, version, told).to_string(),
        (place_of(file),),
        said_licence=fields.get("License", "")[:100],
        properties={"source": source} if source and source != name else {},
    )
    wants = [*_names(fields.get("Pre-Depends", "")), *_names(fields.get("Depends", ""))]
    return Found(component, fields.get("Provides", ""), tuple(wants))


def _names(text: str) -> Iterator[str]:
    """Names of what is needed; of dpkg's alternatives all: those that are there count. Conflicts of apk are none."""
    separator = "," if "," in text or "(" in text or "|" in text else None
    for wanted in text.replace("|", ",").split(separator):
        name = wanted.strip().partition(" ")[0]
        for sign in "(<>=~:" if not name.startswith(("so:", "cmd:", "pc:")) else "<>=~":
            name = name.partition(sign)[0]
        if name and not name.startswith("!"):
            yield name


def _with_needs(found: list[Found]) -> Iterator[Component]:
    by_name = defaultdict[str, set[str]](set)
    for one in found:
        for name in (one.component.package.name, *_names(one.site)):
            by_name[name].add(one.component.purl)
    for one in found:
        needs = {purl for name in one.wants for purl in by_name.get(name, ())} - {one.component.purl}
        yield replace(one.component, needs=tuple(sorted(needs)))
