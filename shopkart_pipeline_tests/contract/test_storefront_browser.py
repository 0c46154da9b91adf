"""The customers of the storefront's acceptance tests: in a real browser where one is installed, and over HTTP.

Both use pages alike. What only a browser can see (a page that breaks its own rules, a browser that dies) is tested
where there is one; the summary names it.
"""

import html
import importlib.util
import sys
import threading
from collections.abc import Callable, Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

FRONTEND_TESTS = Path(__file__).parents[2] / "examples" / "storefront" / "frontend" / "tests"
Customers = Callable[[str], Any]


def module_of(name: str) -> ModuleType:
    """A module of the storefront's own tests."""
    spec = importlib.util.spec_from_file_location(f"storefront_{name}", FRONTEND_TESTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


chromium_tests, http_tests = module_of("chromium"), module_of("plain_http")
PROGRAM = chromium_tests.installed()
KINDS = ["http", *(["chromium"] if PROGRAM else [])]
FORMS = "".join(
    f"<form method=post action=/put><input type=hidden name=sku value={sku}>"
    "<input type=number name=quantity value=1 min=0 max=9><button>Change</button></form>"
    for sku in ("mug", "pan")
)


class Shop(BaseHTTPRequestHandler):
    """Two forms, a page that says what was sent, and one that breaks its own rules."""

    def do_GET(self) -> None:
        page = "<h1>Shop</h1><a href=/next>On</a>" + FORMS
        match self.path:
            case "/next":
                page = "<h1>Next</h1>"
            case "/broken":
                page = "<h1>Broken</h1><script>document.body.append('never')</script>"
        self._answer(page)

    def do_POST(self) -> None:
        sent = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        told = ", ".join(f"{name}={values[0]}" for name, values in sorted(sent.items()))
        came = self.headers["cookie"] or "no cookie"
        self._answer(f"<h1>Sent</h1><p>{html.escape(told)}; {html.escape(came)}</p>" + FORMS)

    def _answer(self, page: str) -> None:
        content = f"<!doctype html><title>Shop</title><body>{page}</body>".encode()
        self.send_response(200)
        for name, value in {
            "content-type": "text/html; charset=utf-8",
            "content-length": str(len(content)),
            "content-security-policy": "default-src 'none'; form-action 'self'",
            "set-cookie": "cart=full; Path=/",
            "x-shopkart-version": "v1",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Shop) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "customers" in metafunc.fixturenames:
        metafunc.parametrize("customers", KINDS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def customers(request: pytest.FixtureRequest, url: str) -> Generator[Customers]:
    """Makes customers who expect a version."""
    if request.param == "chromium":
        with chromium_tests.chromium(PROGRAM) as browser:
            yield lambda expected: chromium_tests.ChromiumCustomer(browser, url, expected)
        return
    opened: list[Any] = []

    def make(expected: str) -> Any:
        def check(answer: httpx.Response) -> None:
            assert answer.headers["x-shopkart-version"] == expected, f"not {expected}"

        opened.append(http_tests.HttpCustomer(url, {"response": [check]}))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


def test_a_page_is_read_and_a_link_followed(customers: Customers) -> None:
    customer = customers("v1")
    customer.open("/")
    assert (customer.heading, customer.links) == ("Shop", ["/next"])

    customer.follow("/next")

    assert (customer.heading, customer.text.strip()) == ("Next", "Next")


def test_the_form_with_the_button_and_the_hidden_field_is_sent(customers: Customers) -> None:
    customer = customers("v1")
    customer.open("/")

    customer.send("Change", sku="pan", quantity="4")
    assert "quantity=4, sku=pan" in customer.text
    customer.send("Change", sku="mug", quantity="0")
    assert "quantity=0, sku=mug" in customer.text


def test_what_is_not_on_the_page_cannot_be_used(customers: Customers) -> None:
    customer = customers("v1")
    customer.open("/")

    with pytest.raises(AssertionError, match="no link to /elsewhere"):
        customer.follow("/elsewhere")
    with pytest.raises(AssertionError, match="no such form with Change"):
        customer.send("Change", sku="kettle", quantity="1")
    with pytest.raises(AssertionError, match="no such form with Order"):
        customer.send("Order", quantity="1")


def test_customers_have_cookies_of_their_own(customers: Customers) -> None:
    customer, another = customers("v1"), customers("v1")
    customer.open("/")
    another.open("/next")
    customer.send("Change", sku="mug", quantity="1")

    assert "cart=full" in customer.text


def test_a_page_of_another_version_fails(customers: Customers) -> None:
    with pytest.raises(AssertionError, match="not v2"):
        customers("v2").open("/")


if PROGRAM:

    def test_a_page_that_breaks_its_own_rules_fails_in_a_browser(url: str) -> None:
        with chromium_tests.chromium(PROGRAM) as browser:
            customer = chromium_tests.ChromiumCustomer(browser, url, "v1")
            with pytest.raises(AssertionError, match=r"the browser complains: .*Content Security Policy"):
                customer.open("/broken")

    def test_a_browser_that_dies_fails_what_is_tested(url: str) -> None:
        with chromium_tests.chromium(PROGRAM) as browser:
            customer = chromium_tests.ChromiumCustomer(browser, url, "v1")
            customer.open("/")

            def die_and_go_on() -> None:
                browser.ask("Browser.crash")
                customer.open("/")

            with pytest.raises(chromium_tests.ChromiumFailed, match=r"the page crashed|has ended"):
                die_and_go_on()


def test_a_program_that_is_no_browser_is_an_error_and_no_fallback(tmp_path: Path) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\nexit 7\n")
    program.chmod(0o755)

    with pytest.raises(chromium_tests.ChromiumFailed, match="has ended"), chromium_tests.chromium(str(program)):
        pass
