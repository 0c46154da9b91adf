"""A real Chromium without a window, driven through its DevTools protocol over a pipe.

Nothing needs to be installed but the browser itself. Pages are used as a person uses them: links and buttons
are clicked where they are drawn, text is typed into the field that has the focus. Whatever ends the browser,
and whatever it complains about in its console, is an error.

Source: Chrome DevTools Protocol, https://chromedevtools.github.io/devtools-protocol/
"""

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
TIMEOUT_SECONDS = 30.0
_READ_BYTES = 1 << 16
_ABOVE_STANDARD = 10
_TO_BROWSER, _FROM_BROWSER = 3, 4
_OPTIONS = (
    "--headless",
    "--remote-debugging-pipe",
    # It visits one shop, the one that is tested, and containers often have no room for its sandbox.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

Json = dict[str, Any]

_LINK = """(href) => {
  const link = [...document.links].find(link => link.getAttribute("href") === href);
  return link ? WHERE(link) : null;
}"""
_FORM = """(button, fields) => {
  const names = Object.keys(fields);
  for (const form of document.forms) {
    const pressed = [...form.querySelectorAll("button")].find(each => each.textContent.trim() === button);
    const hidden = names.filter(name => form.elements[name]?.type === "hidden");
    if (!pressed || hidden.some(name => form.elements[name].value !== fields[name])) continue;
    if (names.some(name => !form.elements[name])) continue;
    return ACT(pressed, names.filter(name => !hidden.includes(name)).map(name => form.elements[name]));
  }
  return null;
}"""
_WHERE = """(element) => {
  element.scrollIntoView({block: "center"});
  const box = element.getClientRects()[0];
  return {x: box.x + box.width / 2, y: box.y + box.height / 2};
}"""


class ChromiumFailed(Exception):
    """The browser ended, did not answer, or complained about a page."""


def installed() -> str | None:
    """The program, where there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """One browser process. Use `chromium` to have one."""

    def __init__(self, process: subprocess.Popen[bytes], to_browser: int, from_browser: int) -> None:
        self._process, self._to, self._from = process, to_browser, from_browser
        self._unread = b""
        self._last_id = 0
        self.listeners: dict[str, Callable[[Json], None]] = {}
        """By session, who is told of its events."""
        self.version = self.ask("Browser.getVersion")["product"].partition("/")[2]

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> Json:
        """The answer to a command."""
        self._last_id += 1
        command = {"id": self._last_id, "method": method, "params": parameters}
        self._write(command | ({"sessionId": session} if session else {}))
        answer: list[Json] = []

        def take(message: Json) -> bool:
            if message.get("id") == self._last_id:
                answer.append(message)
            return bool(answer)

        self.listen(take, method)
        if "error" in answer[0]:
            raise ChromiumFailed(f"{method}: {answer[0]['error'].get('message')}")
        return answer[0]["result"]

    def listen(self, until: Callable[[Json], bool], what: str) -> None:
        """Takes messages in until one is the awaited one."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            message = self._read(deadline, what)
            if "sessionId" in message and "method" in message:
                self.listeners.get(message["sessionId"], lambda _: None)(message)
            if until(message):
                return

    def _write(self, command: Json) -> None:
        try:
            os.write(self._to, json.dumps(command).encode() + b"\0")
        except BrokenPipeError as error:
            raise ChromiumFailed("the browser has ended") from error

    def _read(self, deadline: float, what: str) -> Json:
        while b"\0" not in self._unread:
            left_seconds = deadline - time.monotonic()
            if left_seconds <= 0 or not select.select([self._from], [], [], left_seconds)[0]:
                raise ChromiumFailed(f"{what}: no answer within {TIMEOUT_SECONDS:g} seconds")
            read = os.read(self._from, _READ_BYTES)
            if not read:
                raise ChromiumFailed(f"the browser has ended, {self._process.poll()}")
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


@contextmanager
def chromium(program: str) -> Generator[Chromium]:
    """A browser with nothing in its profile; it and all its processes are gone afterwards."""
    with ExitStack() as ours:
        profile = ours.enter_context(
            tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        )
        with ExitStack() as theirs:
            commands, answers = _pipe(theirs, ours), _pipe(ours, theirs)

            def hand_over() -> None:
                os.dup2(commands[0], _TO_BROWSER)
                os.dup2(answers[1], _FROM_BROWSER)

            process = subprocess.Popen(
                [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=hand_over,
                pass_fds=(_TO_BROWSER, _FROM_BROWSER),
                start_new_session=True,
            )
        ours.callback(_end, process)
        yield Chromium(process, commands[1], answers[0])


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """Both ends of a pipe, each closed by its owner, and neither where the browser expects its own."""
    read, write = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STANDARD) for end in (read, write)]
    for end, owner in zip(high, (reader, writer), strict=True):
        owner.callback(os.close, end)
    os.close(read)
    os.close(write)
    return high[0], high[1]


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class ChromiumCustomer:
    """One customer in a browser: a tab with cookies of its own."""

    def __init__(self, browser: Chromium, base_url: str, expected_version: str) -> None:
        self._browser, self._base_url, self._expected = browser, base_url, expected_version
        context = browser.ask("Target.createBrowserContext")["browserContextId"]
        target = browser.ask("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        self._session: str = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._problems: list[str] = []
        browser.listeners[self._session] = self._take
        for domain in ("Page", "Network", "Log", "Inspector"):
            self._ask(f"{domain}.enable")

    @property
    def text(self) -> str:
        """What is to be read on the page."""
        return self._evaluate("() => document.body.innerText")

    @property
    def heading(self) -> str:
        """What the page is about."""
        return self._evaluate('() => document.querySelector("h1").innerText')

    @property
    def links(self) -> list[str]:
        """Where the page's links lead, as they are written."""
        return self._evaluate('() => [...document.links].map(link => link.getAttribute("href"))')

    def open(self, path: str) -> None:
        """Types an address."""
        self._and_wait(lambda: self._ask("Page.navigate", url=f"{self._base_url}{path}"))

    def follow(self, href: str) -> None:
        """Clicks a link."""
        place = self._evaluate(_LINK.replace("WHERE", f"({_WHERE})"), href)
        assert place, f"there is no link to {href}"
        self._and_wait(lambda: self._click(place))

    def send(self, button: str, **fields: str) -> None:
        """Fills in the form that has this button and these hidden fields, and presses the button."""
        names = self._in_form("(pressed, typed) => typed.map(field => field.name)", button, fields)
        assert names is not None, f"there is no such form with {button}"
        for number, name in enumerate(names):
            self._in_form(f"(pressed, typed) => typed[{number}].select()", button, fields)
            self._ask("Input.insertText", text=fields[name])
        place = self._in_form(_WHERE, button, fields)
        self._and_wait(lambda: self._click(place))

    def _in_form(self, act: str, button: str, fields: dict[str, str]) -> Any:
        return self._evaluate(_FORM.replace("ACT", f"({act})"), button, fields)

    def _click(self, place: Json) -> None:
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place)

    def _and_wait(self, act: Callable[[], object]) -> None:
        """Does something that opens another page, and waits until that is there whole."""
        loaded: list[bool] = []
        take = self._browser.listeners[self._session]

        def watch(message: Json) -> None:
            take(message)
            if message["method"] == "Page.loadEventFired":
                loaded.append(True)

        self._browser.listeners[self._session] = watch
        act()
        if not loaded:
            self._browser.listen(lambda _: bool(loaded), "the next page")
        self._browser.listeners[self._session] = take
        self._evaluate(
            "() => true"
        )  # What was complained about until now has been told before this is answered.
        assert not self._problems, "; ".join(self._problems)

    def _take(self, message: Json) -> None:
        about = message.get("params", {})
        match message["method"]:
            case "Network.responseReceived" if about["type"] == "Document":
                headers = {name.lower(): value for name, value in about["response"]["headers"].items()}
                version = headers.get("x-shopkart-version", "nothing")
                if self._expected and version != self._expected:
                    self._problems.append(f"{version} answered, not {self._expected}")
            case "Log.entryAdded" if about["entry"]["level"] == "error":
                self._problems.append(f"the browser complains: {about['entry']['text']}")
            case "Inspector.targetCrashed":
                raise ChromiumFailed("the page crashed")

    def _ask(self, method: str, **parameters: Any) -> Json:
        return self._browser.ask(method, self._session, **parameters)

    def _evaluate(self, function: str, *arguments: object) -> Any:
        given = ", ".join(map(json.dumps, arguments))
        done = self._ask("Runtime.evaluate", expression=f"({function})({given})", returnByValue=True)
        if "exceptionDetails" in done:
            raise ChromiumFailed(str(done["exceptionDetails"].get("exception", {}).get("description")))
        return done["result"].get("value")
