"""What kind of file a path names, and where a file lies that a tool names."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters._service_paths import (
    find_place,
    is_javascript,
    is_test_code,
    is_tool_configuration,
)
from shopkart_pipeline_tests.scan_requests import write_files


@pytest.mark.parametrize("name", ["a.js", "a.mjs", "a.cjs", "a.jsx", "a.ts", "a.mts", "a.cts", "a.tsx", "a.b.js"])
def test_javascript_has_many_endings(name: str) -> None:
    assert is_javascript(name)


@pytest.mark.parametrize("name", ["a.json", "a.py", "a.d.ts", "a.d.mts", ".js", "js", "a.css"])
def test_these_are_no_javascript(name: str) -> None:
    assert not is_javascript(name)


@pytest.mark.parametrize(
    "path",
    [
        "tests/a.py",
        "a/test/b.js",
        "src/__tests__/a.ts",
        "src/cart.test.js",
        "src/cart.spec.tsx",
        "test_a.py",
        "conftest.py",
    ],
)
def test_these_are_tests(path: str) -> None:
    assert is_test_code(path)


@pytest.mark.parametrize("path", ["src/cart.js", "src/latest.js", "src/contest.py", "src/test.py", "test.js/a.py"])
def test_these_are_not(path: str) -> None:
    assert not is_test_code(path)


@pytest.mark.parametrize(
    ("path", "is_configuration"),
    [
        ("eslint.config.mjs", True),
        ("web/vite.config.ts", True),
        ("web/.eslintrc.cjs", True),
        ("web/node_modules/a/index.js", True),
        ("web/config.js", False),
        ("web/configuration.js", False),
    ],
)
def test_configuration_of_tools_is_told_from_code(path: str, is_configuration: bool) -> None:
    assert is_tool_configuration(path) is is_configuration


def test_an_absolute_name_is_found_below_the_root_alone(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"backend/a.py": ""})
    (tmp_path / "outside.py").write_text("")

    assert find_place(f"{tree}/backend/a.py", (".",), tree) == "backend/a.py"
    assert find_place(f"{tmp_path}/outside.py", (".",), tree) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.py", "backend/a.py"),
        ("backend/a.py", "backend/a.py"),
        ("./a.py", "backend/a.py"),
        ("../backend/a.py", "backend/a.py"),
        ("gone.py", None),
        ("../../outside.py", None),
        ("link.py", None),
        ("a\0.py", None),
        ("", None),
        (".", None),
    ],
)
def test_a_file_is_found_in_the_repository_alone(tmp_path: Path, name: str, expected: str | None) -> None:
    tree = write_files(tmp_path / "tree", {"backend/a.py": ""})
    (tmp_path / "outside.py").write_text("")
    (tree / "backend/link.py").symlink_to(tmp_path / "outside.py")

    assert find_place(name, ("backend", "."), tree) == expected
