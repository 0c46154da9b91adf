"""The files inside an image, through the unpacker that the whole house shares."""

from pathlib import Path

from shopkart_pipeline.adapters._oci import unpack
from shopkart_pipeline.ports.image_files import ImageFiles


class OciImageFiles(ImageFiles):
    """Reads OCI image layouts."""

    def unpack(self, layout: Path, destination: Path) -> None:
        unpack(layout, destination)
