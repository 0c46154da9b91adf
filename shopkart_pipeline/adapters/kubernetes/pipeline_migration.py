"""The Job that brings the schema of Dagster's database up to date, before pods of a newer Dagster start.

It is the daemon's pod with another command, so it has the same image, configuration and database, and the same network,
and the token without which Dagster can't read that configuration: it makes the launcher of runs to show it.
It is not tried again: a migration that broke off is looked at by people.

Source: Dagster, "Migrating Dagster" (`dagster instance migrate`).
"""

import copy

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_network import COMPONENT

_NAME = "shopkart-migrate"
_LONGEST_SECONDS = 3600
_KEPT_SECONDS = 86400
_COMMAND = ["dagster", "instance", "migrate"]
_LEFT_AWAY = ("startupProbe", "readinessProbe", "livenessProbe", "ports")


def migration(objects: list[Manifest]) -> Manifest:
    """The Job, from the daemon's Deployment."""
    [daemon] = [
        each
        for each in objects
        if each["kind"] == "Deployment" and each["spec"]["selector"]["matchLabels"][COMPONENT] == "daemon"
    ]
    template = copy.deepcopy(daemon["spec"]["template"])
    template["metadata"].pop("annotations", None)
    pod = template["spec"]
    first, *_ = pod["containers"]
    container = {key: value for key, value in first.items() if key not in _LEFT_AWAY}
    pod["containers"] = [{**container, "name": "migrate", "command": list(_COMMAND)}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {**copy.deepcopy(daemon["metadata"]), "name": _NAME},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": _LONGEST_SECONDS,
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "template": {
                **template,
                "spec": {**pod, "restartPolicy": "Never"},
            },
        },
    }
