"""Findings for GitHub's code scanning, as a SARIF document within the limits that it has.

Each run is of its own category, because `automationDetails.id` names service and stage (GitHub takes what is before the
last slash): a newer one replaces the older of the same category, so sending one again doubles no alert. A run whose
tool failed is left out, because to GitHub a run without results says that every alert is gone; left out, they stay as
they are, and the stage's check tells that evidence is missing. Results without a place get one, since GitHub refuses a
document that has any without. What tells one alert from another is our fingerprint, under the one name that GitHub
looks at; a rule about packages carries the severity of its worst finding, which GitHub reads from rules alone. Of more
results than it shows, the most severe stay.

Source: "SARIF support for code scanning" and "Upload an analysis as SARIF data" in GitHub's documentation.
"""

import base64
import gzip
import json
from typing import Any, cast

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.notice import ScanNotice
from shopkart_pipeline.domain.sarif_log import FINGERPRINT

_RUNS = 20
_RESULTS = 5_000
_COMPRESSED_BYTES = 10_000_000

Document = dict[str, Any]


class CodeScanning:
    """Analyses of the pipeline's stages."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client

    def send(self, notice: ScanNotice, sarif: bytes) -> str:
        """Hand an analysis in; gives GitHub's id of the upload."""
        owner, name = notice.repository.split("/")
        content = gzip.compress(json.dumps(_fitted(notice, sarif)).encode(), mtime=0)
        if len(content) > _COMPRESSED_BYTES:
            what = f"The findings take {len(content)} bytes compressed; GitHub takes {_COMPRESSED_BYTES}."
            raise Refused(what, "Look at them in the pipeline, and mend or waive some.")
        packed = base64.b64encode(content).decode()
        try:
            made = self._client.ask(
                notice.repository,
                lambda github: github.rest.code_scanning.upload_sarif(
                    owner, name, commit_sha=notice.sha, ref=notice.ref, sarif=packed
                ),
            )
        except (NotFound, Refused) as error:
            if isinstance(error, NotFound) or "code scanning" in error.what.casefold():
                fix = "Turn code scanning on for this repository; what the tools found is in the checks all the same."
                raise Refused(error.what, fix) from error
            raise
        return str(made["id"])


def _fitted(notice: ScanNotice, sarif: bytes) -> Document:
    try:
        document = cast("Document", json.loads(sarif))
    except ValueError:
        what = f"The findings of {notice.about} are no SARIF document."
        raise Refused(what, "Look at the report in the evidence store.") from None
    runs = [_run(notice, run) for run in document["runs"] if "results" in run]
    if not runs:
        raise Refused("No stage has findings to show: all evidence is missing.", "See to the stages themselves.")
    if len(runs) > _RUNS:
        raise Refused(f"GitHub takes {_RUNS} tools' findings at once, not {len(runs)}.", "Have fewer stages.")
    return {**document, "runs": runs}


def _run(notice: ScanNotice, run: Document) -> Document:
    results = sorted(run["results"], key=_severity, reverse=True)[:_RESULTS]
    worst = {result["ruleId"]: _severity(result) for result in reversed(results) if _is_about_package(result)}
    driver: Document = run["tool"]["driver"]
    rules = [_rated(rule, worst.get(rule["id"])) for rule in driver.get("rules", [])]
    return {
        **run,
        "tool": {**run["tool"], "driver": {**driver, "rules": rules}},
        "results": [_placed(notice, result) for result in results],
    }


def _is_about_package(result: Document) -> bool:
    return "package" in result.get("properties", {})


def _rated(rule: Document, severity: float | None) -> Document:
    rating: Document = {"security-severity": f"{severity:.1f}", "tags": ["security"]} if severity is not None else {}
    return {**rule, "properties": {**rule.get("properties", {}), **rating}}


def _severity(result: Document) -> float:
    return float(result.get("properties", {}).get("security-severity", 0))


def _placed(notice: ScanNotice, result: Document) -> Document:
    """The result at a line of a file; what is of no file is of the service as a whole."""
    nowhere: Document = {"artifactLocation": {"uri": notice.category}}
    place = result["locations"][0]["physicalLocation"] if result.get("locations") else nowhere
    marks: Document = result.get("partialFingerprints", {})
    known = {"primaryLocationLineHash": marks[FINGERPRINT]} if FINGERPRINT in marks else {}
    return {
        **result,
        "locations": [{"physicalLocation": {"region": {"startLine": 1}, **place}}],
        "partialFingerprints": {**marks, **known},
    }
