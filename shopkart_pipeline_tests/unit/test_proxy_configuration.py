"""The login before the web interface: oauth2-proxy's own option names, nothing that lets anybody past, no secrets.

The names are those of its documentation, "Configuration Overview": with underscores, and in the plural where an option
may be given several times. The program itself is in none of the registries that tests reach.
"""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

FOLDER = Path(__file__).parents[2] / "deploy" / "proxy"
DOCUMENTED: dict[type, str] = {
    bool: "auth_logging cookie_httponly cookie_secure force_https insecure_oidc_skip_nonce pass_access_token"
    " pass_authorization_header pass_basic_auth pass_host_header pass_user_headers proxy_websockets request_logging"
    " reverse_proxy session_cookie_minimal show_debug_on_error skip_auth_strip_headers",
    list: "allowed_groups email_domains skip_auth_routes upstreams",
    str: "client_id client_secret_file code_challenge_method cookie_expire cookie_name cookie_refresh cookie_samesite"
    " http_address https_address oidc_groups_claim oidc_issuer_url provider provider_display_name redirect_url scope"
    " tls_cert_file tls_key_file tls_min_version upstream_timeout",
}
TYPES = {name: kind for kind, names in DOCUMENTED.items() for name in names.split()}


@pytest.fixture(params=["operators", "auditors"])
def configuration(request: pytest.FixtureRequest) -> dict[str, Any]:
    return _read(request.param)


def _read(role: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{role}.cfg").read_text())


def test_every_option_is_one_of_the_documented_ones(configuration: dict[str, Any]) -> None:
    assert {name: TYPES.get(name) for name in configuration} == {
        name: type(value) for name, value in configuration.items()
    }


def test_nobody_comes_in_without_being_in_a_group(configuration: dict[str, Any]) -> None:
    assert configuration["allowed_groups"]
    assert not any("*" in group for group in configuration["allowed_groups"])
    assert not [name for name in configuration if name.startswith(("trusted_ip", "htpasswd", "skip_jwt"))]
    assert not any(value is True for name, value in configuration.items() if "insecure" in name or "skip_nonce" in name)
    assert not configuration["reverse_proxy"]


def test_only_signed_webhooks_are_let_through_without_a_login() -> None:
    [route] = _read("operators")["skip_auth_routes"]
    method, _, pattern = route.partition("=")
    doors = {f"/webhooks/{name}" for name in ("github", "sonarqube", "alertmanager")}

    assert method == "POST"
    assert "skip_auth_routes" not in _read("auditors")
    app = create_app(MemoryInbox(), ("s3cret",), FakeClock(), lambda: None, alertmanager_tokens=("s3cret",))
    served = {getattr(each, "path", "") for each in app.routes}
    assert served & doors >= {"/webhooks/github", "/webhooks/alertmanager"}
    assert all(re.search(pattern, door) for door in doors)
    for path in ("/graphql", "/webhooks/github/../../graphql", "/webhooks/githubx", "/x/webhooks/github", "/"):
        assert not re.search(pattern, path)


def test_what_is_behind_listens_on_this_machine_alone_and_auditors_reach_nothing_else() -> None:
    settings = from_environment({})
    ports = {role: [urlsplit(each).port for each in _read(role)["upstreams"]] for role in ("operators", "auditors")}
    hosts = {urlsplit(each).hostname for role in ports for each in _read(role)["upstreams"]}

    assert hosts == {"127.0.0.1"}
    assert ports == {"operators": [settings.web_port, settings.receiver_port], "auditors": [settings.audit_port]}


def test_sessions_are_apart_and_other_sites_cant_use_them() -> None:
    operators, auditors = _read("operators"), _read("auditors")

    for name in ("cookie_name", "client_id", "redirect_url", "https_address", "client_secret_file"):
        assert operators[name] != auditors[name]
    for each in (operators, auditors):
        assert each["cookie_name"].startswith("__Host-")
        assert (each["cookie_secure"], each["cookie_httponly"], each["cookie_samesite"]) == (True, True, "lax")
        assert each["code_challenge_method"] == "S256"
        assert (each["proxy_websockets"], each["pass_host_header"]) == (True, True)
        assert not any(each[f"pass_{what}"] for what in ("user_headers", "basic_auth", "access_token"))


def test_no_secret_is_written_there(configuration: dict[str, Any]) -> None:
    assert not {"client_secret", "cookie_secret", "jwt_key", "signature_key", "redis_password"} & set(configuration)
