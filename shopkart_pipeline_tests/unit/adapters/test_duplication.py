"""Copies in code: what counts as one, and what does not."""

from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._duplication import duplicated_lines


def block(name: str, lines: int = 20) -> str:
    """Distinct statements, about ten tokens a line."""
    body = "".join(
        f"    total_{number} = {name} + source[{number}] * factor(price, {number})\n" for number in range(lines)
    )
    return f"def work_{name}(source, factor, price):\n{body}"


COPY = block("x")


def test_a_block_in_two_files_is_duplicated_in_both() -> None:
    files = {"a.py": f"import os\n\n{COPY}", "b.py": f"# another file\n\n\n\n{COPY}"}

    found = duplicated_lines(files)

    assert found == {"a.py": set(range(3, 24)), "b.py": set(range(5, 26))}


def test_a_block_twice_in_one_file_is_duplicated() -> None:
    assert len(duplicated_lines({"a.py": f"{COPY}\n\n{COPY}"})["a.py"]) == 42


def test_comments_white_space_and_texts_do_not_hide_a_copy() -> None:
    changed = COPY.replace("    total", "        total").replace("def work_x", "def  work_x").replace("\n", "  # why\n")

    assert set(duplicated_lines({"a.py": COPY + "    say('one')\n", "b.py": changed + "        say('two')\n"})) == {
        "a.py",
        "b.py",
    }


def test_other_names_are_no_copy() -> None:
    assert duplicated_lines({"a.py": block("x"), "b.py": block("y")}) == {}


def test_short_blocks_are_no_copies() -> None:
    assert duplicated_lines({"a.py": block("x", 7), "b.py": block("x", 7)}) == {}


def test_many_tokens_on_few_lines_are_no_copy() -> None:
    table = "rows = [" + ", ".join(str(number) for number in range(400)) + "]\n"

    assert duplicated_lines({"a.py": table, "b.py": table}) == {}


def test_imports_are_no_copies() -> None:
    imports = "".join(f"from package.module_{number} import (\n    one,\n    two,\n)\n" for number in range(30))

    assert duplicated_lines({"a.py": imports, "b.py": imports}) == {}


def test_what_is_no_python_has_no_copies() -> None:
    assert duplicated_lines({"a.py": "def (:\n'''", "b.py": "\x00\x01"}) == {}


def test_code_that_repeats_itself_without_a_gap_is_found_once_it_is_two_blocks_long() -> None:
    line = "    total = total + source[0] * factor(price, 0)\n"

    assert duplicated_lines({"a.py": "def f():\n" + line * 12}) == {}
    assert duplicated_lines({"a.py": "def f():\n" + line * 40}) != {}


@given(st.lists(st.sampled_from([block("x"), block("y"), block("z", 5), "\n", "import os\n"]), max_size=6))
def test_lines_of_copies_exist(parts: list[str]) -> None:
    source = "".join(parts)

    for numbers in duplicated_lines({"a.py": source, "b.py": source[::1]}).values():
        assert numbers <= set(range(1, source.count("\n") + 2))
