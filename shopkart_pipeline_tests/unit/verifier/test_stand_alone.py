"""The verifier runs where this package is not: from a bundle's own copy, with `cryptography` and nothing else."""

import ast
import hashlib
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

from shopkart_pipeline.services.pack_evidence import verifier_files, verifier_hashes
from shopkart_pipeline_tests.fakes.proven_release import ProvenRelease

_RUN = """
import runpy, sys
sys.path.insert(0, {libraries!r})
sys.argv = ["verifier", *{arguments!r}]
assert "shopkart_pipeline" not in sys.modules
try:
    runpy.run_path({folder!r}, run_name="__main__")
finally:
    print(sorted(name for name in sys.modules if name.startswith("shopkart")))
"""


def only_cryptography(folder: Path) -> Path:
    """A folder of libraries that has what `cryptography` is made of, and nothing else."""
    folder.mkdir()
    for name in ("cryptography", "cffi", "_cffi_backend"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        place = Path(spec.origin)
        place = place.parent if place.name == "__init__.py" else place
        (folder / place.name).symlink_to(place)
    return folder


def test_a_bundle_is_verified_where_this_package_is_not(tmp_path: Path, proven: ProvenRelease, bundle: bytes) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle)
    (tmp_path / "keys.json").write_bytes(proven.keys)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as opened:
        opened.extractall(tmp_path / "out")
    folder = tmp_path / "check"
    shutil.move(tmp_path / "out" / "verifier", folder)
    arguments = [str(tmp_path / "bundle.zip"), "--keys", str(tmp_path / "keys.json"), "--at", "2025-03-05T00:00:00Z"]
    libraries = str(only_cryptography(tmp_path / "libraries"))
    program = _RUN.format(libraries=libraries, arguments=arguments, folder=str(folder))

    ended = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd="/"
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "0 missing, 0 false: all is proved" in ended.stdout
    assert ended.stdout.splitlines()[-1] == "[]"


def test_it_is_written_for_python_3_9_and_imports_nothing_of_ours() -> None:
    allowed = {*sys.stdlib_module_names, "cryptography"}
    for name, content in verifier_files().items():
        tree = ast.parse(content, name, feature_version=(3, 9))
        for node in ast.walk(tree):
            assert not isinstance(node, ast.Match)
            if isinstance(node, ast.Import):
                assert {each.name.partition(".")[0] for each in node.names} <= allowed
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert str(node.module).partition(".")[0] in allowed


def test_its_hashes_are_those_of_the_copy_in_a_bundle(tmp_path: Path, bundle: bytes) -> None:
    (tmp_path / "bundle.zip").write_bytes(bundle)
    with zipfile.ZipFile(tmp_path / "bundle.zip") as opened:
        copies = {name: opened.read(name) for name in opened.namelist() if name.startswith("verifier/")}

    told = dict(reversed(line.split("  ")) for line in verifier_hashes().splitlines())

    assert told == {name: hashlib.sha256(content).hexdigest() for name, content in copies.items()}
    assert "verifier/__main__.py" in told
