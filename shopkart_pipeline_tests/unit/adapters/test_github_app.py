"""What the App needs, how it is registered, and what an installation lacks."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_identity import GitHubCredentials
from shopkart_pipeline.adapters.github_app import EVENTS, PERMISSIONS, GitHubAccount, registration_address
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline_tests.fakes.github_server.server import running_github
from shopkart_pipeline_tests.fakes.github_server.world import GitHubWorld, Repository

REPOSITORY = "shopkart/storefront"


@pytest.fixture
def github() -> GitHubWorld:
    world = GitHubWorld(SystemClock())
    world.repositories[REPOSITORY] = Repository(REPOSITORY)
    world.app.permissions = {name: needed.level for name, needed in PERMISSIONS.items()}
    world.app.events = list(EVENTS)
    return world


@pytest.fixture
def account(github: GitHubWorld, tmp_path: Path) -> Iterator[GitHubAccount]:
    key = tmp_path / "app.pem"
    key.write_text(github.app.new_key())
    with running_github(github) as api:
        yield GitHubAccount(GitHubClient(GitHubCredentials(api, str(github.app.id), key), SystemClock()))


def test_an_installation_that_has_what_is_needed_lacks_nothing(account: GitHubAccount) -> None:
    found = account.installation_at(REPOSITORY)

    assert found.is_complete
    assert found.unneeded == ()
    assert account.name() == "shopkart-pipeline"


def test_what_is_lacking_or_more_than_needed_is_named_as_the_settings_do(
    account: GitHubAccount, github: GitHubWorld
) -> None:
    github.app.permissions |= {"checks": "read", "contents": "write", "secrets": "read"}
    github.app.permissions.pop("merge_queues")
    github.app.events.remove("issue_comment")

    found = account.installation_at(REPOSITORY)

    assert found.lacking == ("Checks: write", "Merge queues: read")
    assert found.unneeded == ("Contents: write", "secrets: read")
    assert found.events_lacking == ("issue_comment",)
    assert not found.is_complete


def test_where_the_app_is_not_installed_it_is_not_found(account: GitHubAccount) -> None:
    with pytest.raises(NotFound):
        account.installation_at("elsewhere/shop")


@pytest.mark.parametrize(
    ("api", "web"),
    [("https://api.github.com", "https://github.com"), ("https://github.example/api/v3", "https://github.example")],
)
def test_the_registration_page_is_filled_in(api: str, web: str) -> None:
    address = registration_address(
        "shopkart", "shopkart-pipeline", "https://pipeline.example", "https://hooks.example/webhooks/github", api
    )

    page, fields = address.partition("?")[0], parse_qs(urlsplit(address).query)
    assert page == f"{web}/organizations/shopkart/settings/apps/new"
    assert fields["events[]"] == list(EVENTS)
    assert {name: fields[name] for name in PERMISSIONS} == {name: [each.level] for name, each in PERMISSIONS.items()}
    assert fields["webhook_url"] == ["https://hooks.example/webhooks/github"]
    assert fields["public"] == ["false"]


def test_the_documentation_names_every_permission_and_event() -> None:
    text = (Path(__file__).parents[3] / "docs" / "github.md").read_text()

    for needed in PERMISSIONS.values():
        assert f"| {needed.label} | {needed.level} | {needed.purpose} |" in text
    for event, purpose in EVENTS.items():
        assert f"| `{event}` | {purpose} |" in text


def test_git_is_introduced_to_this_github_alone(account: GitHubAccount, github: GitHubWorld) -> None:
    here = account._client.api  # pyright: ignore[reportPrivateUsage]

    header = account.git_authorization(Source(REPOSITORY, f"{here}/{REPOSITORY}.git", "main", "."))

    scheme, _, encoded = header.partition(" ")
    assert scheme == "Basic"
    login, _, token = base64.b64decode(encoded).decode().partition(":")
    assert (login, token in github.tokens) == ("x-access-token", True)
    for elsewhere in (f"{here}.evil.example/{REPOSITORY}.git", "ssh://git@github.com/a/b.git", "/srv/git/shop.git"):
        assert account.git_authorization(Source(REPOSITORY, elsewhere, "main", ".")) == ""
