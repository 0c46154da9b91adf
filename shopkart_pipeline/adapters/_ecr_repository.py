"""A repository in ECR as the pipeline needs it: tags that can't be moved, scans on arrival, and nothing expired that
may be running.

It is looked at before the first push to it and changed only where it has to be, so credentials that may not create or
change repositories do where somebody else makes them. Untagged images are left-overs of pushes that did not finish:
every release has a tag, and its image may be running or be what a rollback goes back to; what is attached to an image
has a tag as well. A lifecycle policy that expires tagged images is somebody's decision and is not overwritten; nothing
is pushed under it either. Tags that begin with `sha256-` name no release: somebody may let those move
(`IMMUTABLE_WITH_EXCLUSION`), so that cosign 2 has its place.
"""

import json
from typing import Any, cast

from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._aws import error_code
from shopkart_pipeline.adapters._ecr_api import Document, EcrApi
from shopkart_pipeline.domain.errors import Refused

_IMMUTABLE = "IMMUTABLE"
_NO_RELEASE = "sha256-"
_SCAN = {"scanOnPush": True}
_SELECTION = {"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
_RULE = {"rulePriority": 1, "selection": _SELECTION, "action": {"type": "expire"}}
LIFECYCLE = json.dumps({"rules": [{**_RULE, "description": "Left-overs of pushes that did not finish."}]})


def ensure_repository(api: EcrApi, repository: str, *, scans: bool) -> None:
    """Make the repository, or bring it into shape.

    Args:
        api: of the registry.
        repository: its name.
        scans: whether images are to be scanned when they arrive. A registry that decides that for all its repositories
            refuses to be told by one; whether there was a scan shows when its result is read.

    Raises:
        Refused: its lifecycle policy expires images that may be running.
        ClientError: AWS does not do it.
    """
    found = _describe(api, repository)
    if found is None:
        try:
            api.client.create_repository(
                **api.of(repository), imageTagMutability=_IMMUTABLE, imageScanningConfiguration={"scanOnPush": scans}
            )
        except ClientError as error:
            # Somebody else was faster; theirs is looked at like any other.
            if error_code(error) != "RepositoryAlreadyExistsException":
                raise
            found = _describe(api, repository)
    if found is not None and not _keeps_releases(found):
        api.client.put_image_tag_mutability(**api.of(repository), imageTagMutability=_IMMUTABLE)
    if scans and found is not None and not found.get("imageScanningConfiguration", {}).get("scanOnPush"):
        try:
            api.client.put_image_scanning_configuration(**api.of(repository), imageScanningConfiguration=_SCAN)
        except ClientError as error:
            if error_code(error) != "ValidationException":
                raise
    _ensure_lifecycle(api, repository)


def _keeps_releases(found: Document) -> bool:
    """Whether no tag of a release can be moved."""
    excluded: list[Document] = found.get("imageTagMutabilityExclusionFilters") or []
    spared = all(str(each.get("filter", "")).startswith(_NO_RELEASE) for each in excluded)
    return found.get("imageTagMutability") in (_IMMUTABLE, f"{_IMMUTABLE}_WITH_EXCLUSION") and spared


def _describe(api: EcrApi, repository: str) -> Document | None:
    try:
        answer = api.client.describe_repositories(**api.registry, repositoryNames=[repository])
    except ClientError as error:
        if error_code(error) != "RepositoryNotFoundException":
            raise
        return None
    return next(iter(answer.get("repositories", ())), None)


def _ensure_lifecycle(api: EcrApi, repository: str) -> None:
    try:
        text = str(api.client.get_lifecycle_policy(**api.of(repository)).get("lifecyclePolicyText", ""))
    except ClientError as error:
        if error_code(error) != "LifecyclePolicyNotFoundException":
            raise
        api.client.put_lifecycle_policy(**api.of(repository), lifecyclePolicyText=LIFECYCLE)
        return
    if not _spares_tagged(text):
        raise Refused(
            f"The lifecycle policy of {repository} expires images that have tags; one of them may be running.",
            "Limit its rules to `tagStatus: untagged`, or remove the policy: the pipeline then sets its own.",
        )


def _spares_tagged(text: str) -> bool:
    """Whether a lifecycle policy leaves images with tags alone; a policy that can't be read does not."""
    try:
        rules = cast("list[dict[str, Any]]", json.loads(text)["rules"])
        return all(rule["selection"]["tagStatus"] == "untagged" for rule in rules)
    except (ValueError, KeyError, TypeError):
        return False
