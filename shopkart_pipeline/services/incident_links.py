"""Where to look on: the change behind the suspect at the code host, and dashboards at the time of the incident."""

from datetime import timedelta
from urllib.parse import urlsplit

from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.incident_policy import hurt_since
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.platform import Platform

_AROUND = timedelta(minutes=30)
_MOST = 10


def incident_links(platform: Platform, incident: Incident) -> tuple[tuple[str, str], ...]:
    """Names and addresses; only those that lead somewhere."""
    since, end = hurt_since(incident) - _AROUND, incident.closed_at or platform.clock.now()
    dashboard = platform.pipeline.alerting.dashboard(incident.service, incident.environment, since, end + _AROUND)
    change = change_url(platform.pipeline.code_host, suspected_release(platform, incident))
    alerts = [(alert.name, alert.url) for alert in incident.alerts if alert.url][:_MOST]
    found = (("dashboard", dashboard), ("change", change), *alerts)
    return tuple((name, address) for name, address in found if address)


def suspected_release(platform: Platform, incident: Incident) -> Release | None:
    """The release that an incident suspects; None where it suspects none, or nothing is known of it."""
    try:
        if not incident.suspected_release:
            return None
        return platform.evidence.release(incident.suspected_service, incident.suspected_release)
    except PipelineError:
        return None


def change_url(policy: CodeHostPolicy | None, release: Release | None) -> str:
    """Where the code host shows what a release changed; empty where there is no code host, or no release."""
    if policy is None or release is None:
        return ""
    if release.previous_sha is None:
        return commit_url(policy, release)
    return f"{_repository_url(policy, release)}/compare/{release.previous_sha}...{release.sha}"


def commit_url(policy: CodeHostPolicy | None, release: Release) -> str:
    """Where the code host shows a release's commit; empty where there is no code host."""
    return "" if policy is None else f"{_repository_url(policy, release)}/commit/{release.sha}"


def _repository_url(policy: CodeHostPolicy, release: Release) -> str:
    host = (urlsplit(policy.api).hostname or "").removeprefix("api.")
    return f"https://{host}/{release.repository}"
