"""Where images are kept."""

from typing import Literal

from pydantic import Field

from shopkart_pipeline.spec.models.section import Reason, Section
from shopkart_pipeline.spec.text_types import AwsAccount, AwsRegion, RepositoryPrefix, ServerAddress


class RegistrySpec(Section):
    """Where images are kept; `docs/registry.md` tells how to set each kind up. No place for credentials."""

    kind: Literal["disk", "oci", "ecr"] | None = Field(
        default=None,
        description="`disk`: a folder in the pipeline's home; `oci`: a server that speaks the OCI distribution "
        "protocol; `ecr`: Amazon ECR.",
    )
    address: ServerAddress | None = Field(
        default=None, description="The server of kind `oci`; `http://` on this machine alone. Has to be said for it."
    )
    region: AwsRegion | None = Field(default=None, description="AWS region of kind `ecr`. Has to be said for it.")
    account: AwsAccount | None = Field(
        default=None, description="AWS account of kind `ecr`, where it isn't that of the credentials."
    )
    endpoint: ServerAddress | None = Field(
        default=None, description="Address of the API of kind `ecr`, where it isn't AWS's own."
    )
    prefix: RepositoryPrefix | None = Field(
        default=None, description="What names of repositories begin with; the service's name follows."
    )
    scan: Literal["required", "shown", "off"] | None = Field(
        default=None,
        description="The registry's own scan of an image, of kind `ecr`: whether its result has to be there, is shown "
        "where it is there, or isn't asked for. Default: `required` for `ecr`; `off` for the others, which don't scan.",
    )
    reason: Reason | None = Field(default=None, description="Why `scan` is `off`. Has to be said for `ecr`.")
