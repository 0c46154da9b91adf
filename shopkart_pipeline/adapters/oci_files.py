"""What is inside an image, through the readers that the whole house shares."""

from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters._image_components import read_contents
from shopkart_pipeline.adapters._oci import read_config, read_manifest
from shopkart_pipeline.adapters._oci_compare import first_difference
from shopkart_pipeline.domain.component import ImageContents
from shopkart_pipeline.ports.image_files import ImageFiles


class OciImageFiles(ImageFiles):
    """Reads OCI image layouts."""

    def __init__(self) -> None:
        self._last: ImageContents | None = None
        """What was read last: an image is asked for several times in a row, and its digest stands for all of it."""

    def labels(self, layout: Path) -> Mapping[str, str]:
        return read_config(layout, read_manifest(layout)).config.Labels or {}

    def first_difference(self, recorded: Path, rebuilt: Path) -> str | None:
        return first_difference(recorded, rebuilt)

    def contents(self, layout: Path) -> ImageContents:
        last = self._last
        if last is None or last.digest != read_manifest(layout).digest:
            last = self._last = read_contents(layout)
        return last
