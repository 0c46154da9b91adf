"""Endpoints of Apps and of people about themselves."""

from shopkart_pipeline_tests.fakes.github_server.serving import Answer, Call, Endpoint, Refusal


def _app(call: Call) -> Answer:
    return Answer({**call.world.app.document, "permissions": call.world.app.permissions})


def _installation(call: Call) -> Answer:
    owner = call.path["owner"]
    if owner not in call.world.installed_for or f"{owner}/{call.path['repo']}" not in call.world.repositories:
        raise Refusal(404, "Not Found")
    number = sorted(call.world.installed_for).index(owner) + 1
    app = call.world.app
    granted = {"permissions": app.permissions, "events": app.events}
    return Answer({"id": number, "account": {"login": owner}, "app_id": app.id, **granted})


def _access_token(call: Call) -> Answer:
    owners, number = sorted(call.world.installed_for), int(call.path["installation"])
    if not 1 <= number <= len(owners):
        raise Refusal(404, "Not Found")
    token, ends = call.world.make_token(owners[number - 1])
    permissions = call.world.app.permissions
    return Answer({"token": token, "expires_at": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "permissions": permissions}, 201)


def _user(call: Call) -> Answer:
    if call.identity.kind != "user":
        raise Refusal(403, "Resource not accessible by integration")
    return Answer({"login": call.identity.login, "id": 1, "type": "User"})


ENDPOINTS = [
    Endpoint("GET", "/app", "app", _app),
    Endpoint("GET", "/repos/{owner}/{repo}/installation", "app", _installation),
    Endpoint("POST", "/app/installations/{installation}/access_tokens", "app", _access_token),
    Endpoint("GET", "/user", None, _user),
]
