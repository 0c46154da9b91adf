"""What is inside an image, through the readers that the whole house shares."""

from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters._oci import read_config, read_manifest
from shopkart_pipeline.adapters._oci_compare import first_difference
from shopkart_pipeline.ports.image_files import ImageFiles


class OciImageFiles(ImageFiles):
    """Reads OCI image layouts."""

    def labels(self, layout: Path) -> Mapping[str, str]:
        return read_config(layout, read_manifest(layout)).config.Labels or {}

    def first_difference(self, recorded: Path, rebuilt: Path) -> str | None:
        return first_difference(recorded, rebuilt)
