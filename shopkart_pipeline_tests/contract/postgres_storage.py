"""Dagster's storage in PostgreSQL, a package that only the image for Kubernetes has: `deploy/image/kubernetes.lock`.

`python -m` this module installs it beside the environment, into a folder that git ignores; `.ci/run` does that. Where
it is not installed the tests that need it are not collected, and pytest's summary says so.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
LOCK = _ROOT / "deploy" / "image" / "kubernetes.lock"


def packages() -> Path:
    """The folder to import from; named after the lock, so that another lock is another folder."""
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return _ROOT / ".cache" / f"dagster-postgres-{key}"


def is_installed() -> bool:
    return packages().is_dir()


def main() -> int:
    """Install it where it is missing; 1 where that could not be done."""
    unfinished = packages().with_suffix(".unfinished")
    uv = str(Path(sys.executable).with_name("uv"))
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    if is_installed():
        return 0
    try:
        subprocess.run([*command, "--target", str(unfinished), "-r", str(LOCK)], check=True)
        unfinished.rename(packages())
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"Dagster's storage in PostgreSQL could not be installed: {error}", file=sys.stderr)
    return 0 if is_installed() else 1


if __name__ == "__main__":
    sys.exit(main())
