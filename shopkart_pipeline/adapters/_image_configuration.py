"""The image that is to be judged, and what its own configuration gives away.

An image that runs as root is a finding (medium), and so is a variable that looks like a credential (high); its value is
told nowhere.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters import _oci
from shopkart_pipeline.adapters._oci_documents import RunDocument
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, Finding, Severity, fingerprint_of
from shopkart_pipeline.ports.scanner import ScanRequest

_ROOT = frozenset({"", "0", "root"})
_SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)


@dataclass(frozen=True)
class JudgedImage:
    """An image that was read."""

    layout: Path
    digest: str
    configuration: RunDocument


def read_image(request: ScanRequest) -> JudgedImage | EvidenceMissing:
    """The image of the request, if it is the one that is asked for."""
    if request.image is None:
        return EvidenceMissing("there is no image to look at")
    try:
        manifest = _oci.read_manifest(request.image)
        if request.image_digest not in (None, manifest.digest):
            return EvidenceMissing(f"the layout holds {manifest.digest}, not {request.image_digest}")
        return JudgedImage(request.image, manifest.digest, _oci.read_config(request.image, manifest).config)
    except (PipelineError, OSError) as error:
        return unreadable(error)


def unreadable(error: PipelineError | OSError) -> EvidenceMissing:
    """The image can't be read."""
    return EvidenceMissing(f"the image can't be read: {error}")


def configuration_findings(configuration: RunDocument) -> Iterator[Finding]:
    """What the configuration gives away."""
    if configuration.User.partition(":")[0] in _ROOT:
        message = "The image runs as root; give it a user of its own."
        yield Finding("image-user", Severity.MEDIUM, message, fingerprint_of("image-user", None, "root"))
    for line in configuration.Env or ():
        name, _, value = line.partition("=")
        if value and _SECRET_NAME.search(name):
            message = f"The variable {name} looks like a credential; whoever pulls the image can read it."
            yield Finding("image-variable", Severity.HIGH, message, fingerprint_of("image-variable", None, name))
