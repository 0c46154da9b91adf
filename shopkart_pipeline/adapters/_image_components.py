"""What an image consists of, as its layers tell: packages of Python, npm, dpkg and apk, and the operating system.

An image in which none of these is found was not understood: that is an error, never an empty answer. What else may be
in it (a program that was copied there, the packages of other ecosystems) is told by no file that is read here, and the
notes say so.
"""

from datetime import UTC, datetime
from pathlib import Path

from shopkart_pipeline.adapters._found_components import merged
from shopkart_pipeline.adapters._image_tree import ImageTree
from shopkart_pipeline.adapters._npm_components import is_npm_file, npm_components
from shopkart_pipeline.adapters._oci import read_config, read_layers, read_manifest
from shopkart_pipeline.adapters._python_components import is_python_metadata, python_components
from shopkart_pipeline.adapters._system_components import (
    is_system_file,
    system_components,
    system_release,
    unread_databases,
)
from shopkart_pipeline.domain.component import ImageContents
from shopkart_pipeline.domain.errors import NotFound

_LOOKED_FOR = "Looked for: packages of Python, npm, dpkg and apk. What was copied in by hand is told by no package."


def read_contents(layout: Path) -> ImageContents:
    """What is installed in the image of a layout.

    Raises:
        NotFound: there is no layout, or nothing in the image says what is installed.
        UntrustedInput: the layout is broken.
    """
    tree = ImageTree(lambda path: is_python_metadata(path) or is_npm_file(path) or is_system_file(path))
    manifest = read_layers(layout, lambda layer, plain: tree.apply(layer.digest, plain))
    files = list(tree.files())
    release = system_release(files)
    python, python_notes = python_components(file for file in files if is_python_metadata(file.path))
    npm, npm_notes = npm_components(file for file in files if is_npm_file(file.path))
    system, system_notes = system_components((file for file in files if is_system_file(file.path)), release)
    components = merged([*python, *npm, *system])
    notes = (*python_notes, *npm_notes, *system_notes, *unread_databases(tree))
    if not components:
        reasons = " ".join(notes) or "No file in it tells of a package of Python, npm, dpkg or apk."
        raise NotFound(f"Nobody can tell what {manifest.digest} consists of. {reasons}", "Look at how it is built.")
    properties = {"operating-system": release.name or release.id, "layers": str(len(manifest.layers))}
    return ImageContents(
        digest=manifest.digest,
        created_at=_moment(read_config(layout, read_manifest(layout)).created),
        components=components,
        notes=(*notes, *(() if system else ("No packages of an operating system are listed.",)), _LOOKED_FOR),
        properties={name: value for name, value in properties.items() if value},
    )


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment.replace(microsecond=0) if moment.tzinfo is not None else moment.replace(microsecond=0, tzinfo=UTC)
