"""A team's own manifests: a folder of YAML files, or a kustomization as far as it can be read without its program.

Of a kustomization `resources`, `namespace`, `labels`, `commonLabels`, `commonAnnotations`, `images`, `replicas` and
`patches` are carried out; whatever else it says is refused by name, because manifests that were only half made would
be judged instead of those that are applied. Everything has to lie in the repository.

Source: kustomize, "The Kustomization File".
"""

from collections.abc import Iterator
from pathlib import Path

from shopkart_pipeline.adapters.kubernetes.located import Node, read_documents
from shopkart_pipeline.adapters.kubernetes.transformations import transformed
from shopkart_pipeline.domain.errors import NotFound, Refused, UntrustedInput

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MANIFESTS = (".yaml", ".yml", ".json")
_SUPPORTED = frozenset(
    {
        "apiVersion",
        "kind",
        "metadata",
        "resources",
        "namespace",
        "labels",
        "commonLabels",
        "commonAnnotations",
        "images",
        "replicas",
        "patches",
    }
)
_LARGEST_BYTES = 4 * 1024 * 1024
_DEEPEST = 10


def read_manifests(folder: Path, root: Path) -> tuple[Node, ...]:
    """The objects of a folder, or of the kustomization in it.

    Args:
        folder: where they are.
        root: root of the repository; places are named relative to it, and nothing outside of it is read.

    Raises:
        NotFound: there is no such folder, or nothing in it.
        Refused: a kustomization says something that can't be carried out here.
        UntrustedInput: a file can't be understood, or lies outside of the repository.
    """
    found = tuple(_of_folder(folder, root.resolve(), 0))
    if not found:
        raise NotFound(f"{folder.name} holds no manifest.", "Say in `workload.manifests` where they are.")
    for manifest in found:
        if not manifest.text("kind") or not manifest.text("metadata", "name"):
            raise UntrustedInput(f"{manifest.file}:{manifest.line} is no object of Kubernetes.", "Take it away.")
    return found


def _of_folder(folder: Path, root: Path, depth: int) -> Iterator[Node]:
    _check_place(folder, root)
    if depth > _DEEPEST or not folder.is_dir():
        raise NotFound(f"There is no folder {_shown(folder, root)}.", "Mend the path.")
    own = next((folder / name for name in KUSTOMIZATIONS if (folder / name).is_file()), None)
    if own is not None:
        yield from _kustomized(own, root, depth)
        return
    for file in sorted(folder.iterdir()):
        if file.suffix in _MANIFESTS and file.is_file():
            yield from _documents(file, root)


def _kustomized(file: Path, root: Path, depth: int) -> Iterator[Node]:
    documents = _documents(file, root)
    if len(documents) != 1:
        raise UntrustedInput(f"{_shown(file, root)} has {len(documents)} documents.", "Keep one.")
    [said] = documents
    for key, value in said.entries().items():
        if key not in _SUPPORTED:
            raise Refused(
                f"{value.file}:{value.line}: `{key}` of a kustomization is not supported.",
                "Write what `kustomize build` prints into a folder, and name that in `workload.manifests`.",
            )
    manifests = [each for name in said.items("resources") for each in _resource(file.parent, name, root, depth)]
    yield from transformed(manifests, said, lambda name: _documents(_inside(file.parent, name, root), root))


def _resource(folder: Path, name: Node, root: Path, depth: int) -> Iterator[Node]:
    place = _inside(folder, name, root)
    if place.is_dir():
        yield from _of_folder(place, root, depth + 1)
    else:
        yield from _documents(place, root)


def _inside(folder: Path, name: Node, root: Path) -> Path:
    written = str(name.content)
    if "://" in written or written.startswith(("git@", "github.com/")):
        raise Refused(f"{name.file}:{name.line}: {written} is not in the repository.", "Copy it there.")
    return folder / written


def _check_place(place: Path, root: Path) -> None:
    if not place.resolve().is_relative_to(root):
        raise UntrustedInput(f"{place.name} leads out of the repository.", "Name something inside of it.")


def _documents(file: Path, root: Path) -> tuple[Node, ...]:
    _check_place(file, root)
    shown = _shown(file, root)
    try:
        content = file.read_bytes() if file.is_file() else None
    except OSError as error:
        raise UntrustedInput(f"{shown} can't be read: {error.strerror}.", "Mend its permissions.") from error
    if content is None:
        raise NotFound(f"There is no file {shown}.", "Mend the path.")
    if len(content) > _LARGEST_BYTES:
        raise UntrustedInput(f"{shown} is larger than {_LARGEST_BYTES // 2**20} MiB.", "Split it.")
    try:
        return read_documents(content.decode(), shown)
    except UnicodeDecodeError:
        raise UntrustedInput(f"{shown} is not UTF-8.", "Save it as UTF-8.") from None


def _shown(place: Path, root: Path) -> str:
    resolved = place.resolve()
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else place.name
