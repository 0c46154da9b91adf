"""Chooses what commands of the project's code are kept away from: the home, and files that are named as secret."""

from collections.abc import Callable
from pathlib import Path

from shopkart_pipeline.adapters._confinement import confine, confinement
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.step_pods import StepPodsMode
from shopkart_pipeline.ports.confinement import Confined, NotConfined
from shopkart_pipeline.settings import Settings


def confine_commands(settings: Settings, pipeline: Pipeline) -> None:
    """Keep commands away from the home, and from files that the environment or the declaration names as secret."""
    channels = () if pipeline.notifications is None else pipeline.notifications.channels.values()
    named = [channel.secret.file for channel in channels if channel.secret is not None]
    said = [environment.options.get("kubeconfig") for environment in pipeline.environments.values()]
    declared = [file for file in named if file is not None] + [Path(path).expanduser() for path in said if path]
    confine(settings.home, settings.access.confinement, (*settings.access.secret_files, *declared))


def how_confined(settings: Settings) -> Callable[[], Confined | NotConfined]:
    """Tells whether code of the project is kept away here. Where all of it runs in pods of its own it is, whatever the
    nodes allow."""
    place = settings.step_pods
    if place is not None and place.mode is StepPodsMode.PROPOSED:
        return lambda: Confined("code of the project runs in pods of its own, which have nothing of the pipeline's")
    return confinement
