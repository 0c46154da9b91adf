"""A platform under the declaration by which a release went to production, so that it is told by the policy of then."""

import tempfile
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.keep_policy import policy_in_force
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.loader import load


def under_policy_of(platform: Platform, release: Release) -> Platform:
    """The same platform with the declaration of that day; as it is where that is today's, or can't be had any more
    (then the bundle says that its policy is not the one that was in force). Who may sign is read from today's list,
    which says from when until when a key counts."""
    digest = policy_in_force(platform, release)
    if digest is None or digest == platform.pipeline.digest:
        return platform
    try:
        text = platform.evidence.get_report(digest)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / platform.pipeline.file.name
            file.write_bytes(text)
            then = load(file, home=from_environment().home)
    except PipelineError:
        return platform
    if then.digest != digest or release.service not in then.services:
        return platform
    today = platform.pipeline
    return replace(platform, pipeline=replace(then, file=today.file, allowed_signers=today.allowed_signers))
