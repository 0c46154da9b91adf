"""A customer without a browser: pages are fetched, and links and forms followed as they stand in the page.

No style is applied, nothing is drawn or clicked, and a form's own rules for its fields are not looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx


@dataclass
class _Form:
    action: str
    hidden: dict[str, str] = field(default_factory=dict[str, str])
    typed: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[str] = field(default_factory=list[str])

    def fits(self, button: str, fields: dict[str, str]) -> bool:
        """Whether it has this button, and all of these fields, the hidden ones with these values."""
        known = self.hidden.keys() | self.typed.keys()
        same = all(self.hidden.get(name, value) == value for name, value in fields.items())
        return button in self.buttons and fields.keys() <= known and same


class _Page(HTMLParser):
    """What a person could read and use of a page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.forms: list[_Form] = []
        self.heading = ""
        self._in_body = False
        self._inside = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        match tag:
            case "body":
                self._in_body = True
            case "a":
                self.links.append(about["href"])
            case "form":
                self.forms.append(_Form(about["action"]))
            case "input":
                form = self.forms[-1]
                (form.hidden if about.get("type") == "hidden" else form.typed)[about["name"]] = about["value"]
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._in_body and data.strip():
            self.words.append(data.strip())
        match self._inside:
            case "button":
                self.forms[-1].buttons.append(data.strip())
            case "h1":
                self.heading = data.strip()


class HttpCustomer:
    """One customer, with cookies of its own."""

    def __init__(self, base_url: str, hooks: dict[str, list[Callable[..., object]]]) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=10, follow_redirects=True, event_hooks=hooks)
        self._page = _Page("")

    def close(self) -> None:
        self._client.close()

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return "\n".join(self._page.words)

    @property
    def heading(self) -> str:
        """What the page is about."""
        return self._page.heading

    @property
    def links(self) -> list[str]:
        """Where the page's links lead, as they are written."""
        return self._page.links

    def open(self, path: str) -> None:
        """Fetches an address."""
        self._show(self._client.get(path))

    def follow(self, href: str) -> None:
        """Fetches what a link leads to."""
        assert href in self.links, f"there is no link to {href}"
        self._show(self._client.get(href))

    def send(self, button: str, **fields: str) -> None:
        """Sends the form that has this button and these hidden fields."""
        form = next((form for form in self._page.forms if form.fits(button, fields)), None)
        assert form is not None, f"there is no such form with {button}"
        self._show(self._client.post(form.action, data=form.hidden | form.typed | fields))

    def _show(self, answer: httpx.Response) -> None:
        self._page = _Page(answer.text)
