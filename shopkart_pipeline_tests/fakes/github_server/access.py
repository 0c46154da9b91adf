"""Who asks: an App by a JWT that is really verified, an installation by a token that ends, a person by theirs."""

import jwt

from shopkart_pipeline_tests.fakes.github_server.world import GitHubWorld, Identity

_LONGEST_JWT_SECONDS = 600


def identify(world: GitHubWorld, authorization: str) -> Identity | None:
    """Whom the `Authorization` header proves; None for nobody."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() not in ("bearer", "token"):
        return None
    if value in world.tokens:
        identity, ends = world.tokens[value]
        return identity if world.clock.now() < ends else None
    return world.users.get(value) or _app(world, value)


def _app(world: GitHubWorld, value: str) -> Identity | None:
    """The App, if the JWT is signed with its key, is of now and not for more than ten minutes."""
    try:
        claims = jwt.decode(
            value, world.app.public_key, algorithms=["RS256"], options={"require": ["iat", "exp", "iss"]}
        )
    except jwt.InvalidTokenError:
        return None
    if claims["exp"] - claims["iat"] > _LONGEST_JWT_SECONDS:
        return None
    if str(claims["iss"]) not in (str(world.app.id), world.app.client_id):
        return None
    return Identity(world.app.slug, "app", {}, app=world.app)
