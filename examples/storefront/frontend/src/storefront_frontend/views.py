"""Turns data into pages: the templates, their one filter, and the headers that every page carries."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from servicekit.settings import Identity

_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Views:
    """Renders the shop's pages."""

    def __init__(self, identity: Identity) -> None:
        self._templates = Environment(
            loader=PackageLoader("storefront_frontend"), autoescape=True, undefined=StrictUndefined
        )
        self._templates.filters["money"] = money
        self._release = identity

    def page(
        self, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """One page from `template` with these values."""
        content = self._templates.get_template(template).render(release=self._release, **values)
        return HTMLResponse(content, status, {**_HEADERS, **(headers or {})})

    def problem(
        self, status: int, title: str, words: str, headers: dict[str, str] | None = None
    ) -> HTMLResponse:
        """A page that says what went wrong and what a customer can do."""
        return self.page("problem.html", status=status, headers=headers, title=title, words=words)


def money(cents: int) -> str:
    """An amount in euro as customers read it."""
    return f"€ {cents // 100:,}.{cents % 100:02d}"
