"""Which file a test is from, by what its runner says."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters._test_files import TestFiles
from shopkart_pipeline.adapters.junit import Outcome, TestCase, parse
from shopkart_pipeline_tests.scan_requests import SAMPLES, a_service, write_files

FILES = (
    "backend/tests/unit/test_cart.py",
    "backend/tests/__init__.py",
    "servicekit/tests/unit/test_cart.py",
    "servicekit/tests/test_health.py",
    "backend/src/test/java/com/shopkart/CartTest.java",
    "backend/web/cart.test.ts",
    "backend/cart/cart_test.go",
    "backend/test.js",
)


@pytest.mark.parametrize(
    ("class_name", "own_file", "expected"),
    [
        ("tests.unit.test_cart", None, "backend/tests/unit/test_cart.py"),
        ("tests.unit.test_cart.TestTotal", None, "backend/tests/unit/test_cart.py"),
        ("...servicekit.tests.test_health", None, "servicekit/tests/test_health.py"),
        ("com.shopkart.CartTest$Delivery", None, "backend/src/test/java/com/shopkart/CartTest.java"),
        ("web/cart.test.ts", None, "backend/web/cart.test.ts"),
        ("shopkart.example/shop/cart", None, "backend/cart"),
        ("cart adds", None, None),
        ("test", None, None),
        ("", None, None),
        ("adds", "web/cart.test.ts", "backend/web/cart.test.ts"),
        ("tests.unit.test_cart", "gone.py", "backend/tests/unit/test_cart.py"),
        ("../../outside", "../../outside.py", None),
    ],
)
def test_the_file_of_a_test(tmp_path: Path, class_name: str, own_file: str | None, expected: str | None) -> None:
    write_files(tmp_path / "tree", dict.fromkeys(FILES, ""))
    write_files(tmp_path, {"outside.py": ""})
    files = TestFiles(a_service("backend", ("servicekit",)).source, tmp_path / "tree")

    assert files.of(TestCase("a", Outcome.PASSED, 0.0, class_name=class_name, own_file=own_file)) == expected


@pytest.mark.parametrize(
    ("sample", "file"),
    [
        ("surefire.xml", "backend/src/test/java/com/shopkart/CartTest.java"),
        ("gotestsum.xml", "backend/cart"),
    ],
)
def test_recorded_tests_are_found(tmp_path: Path, sample: str, file: str) -> None:
    write_files(tmp_path, dict.fromkeys(FILES, ""))
    files = TestFiles(a_service("backend", ("servicekit",)).source, tmp_path)

    assert {files.of(case) for case in parse((SAMPLES / "junit" / sample).read_bytes())} == {file}
