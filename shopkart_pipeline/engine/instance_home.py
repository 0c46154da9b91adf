"""How an instance home begins: with a copy of the shipped `dagster.yaml`. Knows nothing of Dagster and imports fast."""

import hashlib
import shutil
from pathlib import Path

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.engine.file_lock import file_lock
from shopkart_pipeline.engine.shipped_files import shipped_file

SHIPPED_CONFIG = shipped_file("dagster.yaml")


def prepare_home(home: Path, shipped_config: Path = SHIPPED_CONFIG) -> None:
    """Make an instance home and put the configuration into it, before anything opens the instance.

    Args:
        home: the folder that `DAGSTER_HOME` names; made when it does not exist.
        shipped_config: the `dagster.yaml` to copy into it. A copy that somebody edited is left as it is.

    Raises:
        ToolUnavailable: there is no `dagster.yaml` to copy.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    with file_lock(home / ".prepare.lock"):
        _copy_config(shipped_config, home)


def _copy_config(shipped: Path, home: Path) -> None:
    if not shipped.exists():
        raise ToolUnavailable(f"There is no {shipped}.", "Run from a checkout, which carries dagster.yaml.")
    config, copied = home / "dagster.yaml", home / ".dagster.yaml.copied"
    known = copied.read_text() if copied.exists() else ""
    if config.exists() and _digest(config) != known:
        return
    if not config.exists() or _digest(shipped) != known:
        shutil.copyfile(shipped, config)
        copied.write_text(_digest(config))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
