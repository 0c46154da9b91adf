"""The pipeline's own credentials for a world, as an operator would set them up."""

from pathlib import Path

from shopkart_pipeline.adapters._github_identity import GitHubCredentials
from shopkart_pipeline_tests.fakes.github_server.world import GitHubWorld


def app_credentials(world: GitHubWorld, api: str, folder: Path) -> GitHubCredentials:
    """Those of the world's App, with a new key in a file."""
    key = folder / "app.pem"
    key.write_text(world.app.new_key())
    return GitHubCredentials(api, app_id=str(world.app.id), private_key_file=key)


def token_credentials(world: GitHubWorld, api: str, login: str = "shopkart-ci") -> GitHubCredentials:
    """Those of a user with a token."""
    return GitHubCredentials(api, token=world.add_user(login))
