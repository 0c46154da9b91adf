"""Backups and recovery drills."""

from typing import Annotated, Literal

from pydantic import Field

from shopkart_pipeline.spec.durations import PositiveDuration
from shopkart_pipeline.spec.models.section import Section
from shopkart_pipeline.spec.text_types import (
    AwsRegion,
    BucketName,
    EnvironmentName,
    ObjectPrefix,
    ServerAddress,
    ServiceName,
    Text,
    UrlPath,
)


class BackupStoreSpec(Section):
    """Where backups are kept; `docs/backups.md` tells how to set each kind up. No place for credentials."""

    kind: Literal["disk", "s3"] | None = Field(
        default=None, description="`disk`: a folder; `s3`: a bucket of Amazon S3, or of what speaks its API."
    )
    folder: Text | None = Field(
        default=None,
        description="Of kind `disk`, relative to the declaration; `{home}` is the pipeline's home. Best on another "
        "disk; outside of the home it has to be there. Default: `{home}/backups`.",
    )
    bucket: BucketName | None = Field(default=None, description="Of kind `s3`. Has to be said for it.")
    prefix: ObjectPrefix | None = Field(
        default=None, description="Of kind `s3`: what the names of objects begin with, with / at its end."
    )
    region: AwsRegion | None = Field(default=None, description="AWS region of the bucket. Has to be said for `s3`.")
    endpoint: ServerAddress | None = Field(
        default=None, description="Address of the API of kind `s3`, where it isn't AWS's own."
    )


class BackupRetentionSpec(Section):
    """How many backups are kept: the newest of each of the last days, weeks and months that have one."""

    daily: Annotated[int, Field(ge=1, le=1000)] | None = Field(default=None, description="Days.")
    weekly: Annotated[int, Field(ge=0, le=1000)] | None = Field(default=None, description="Weeks (ISO 8601).")
    monthly: Annotated[int, Field(ge=0, le=1000)] | None = Field(default=None, description="Months.")


class BackedUpSpec(Section):
    """A PostgreSQL database that is backed up. The one that is called `pipeline` is the pipeline's own stores."""

    environment: EnvironmentName | None = Field(
        default=None,
        description="Whose PostgreSQL it is on the embedded platform. Any other database's address is given by "
        "`SHOPKART_DATABASE_NAME`.",
    )
    service: ServiceName | None = Field(
        default=None,
        description="The service that a drill starts on what it restored: as it is in production, in staging, under a "
        "name of its own.",
    )
    smoke: Annotated[list[UrlPath], Field(min_length=1)] | None = Field(
        default=None, description="Paths that this service has to answer with 200 then."
    )
    rpo: PositiveDuration | None = Field(
        default=None, description="Recovery point objective: how old the newest backup may be. Default: `24h`."
    )
    rto: PositiveDuration | None = Field(
        default=None, description="Recovery time objective: how long a recovery may take. Default: `1h`."
    )
    timeout: PositiveDuration | None = Field(
        default=None, description="For a backup, and for a restore. Default: `4h`."
    )


class RecoverySpec(Section):
    """What is backed up, where to, and what a drill has to show."""

    store: BackupStoreSpec | None = Field(default=None, description="Where backups are kept.")
    retention: BackupRetentionSpec | None = Field(default=None, description="How many are kept.")
    databases: dict[ServiceName, BackedUpSpec | None] | None = Field(
        default=None, description="What is backed up, by name. `pipeline` is the pipeline's own stores."
    )
