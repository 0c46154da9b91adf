"""Drains the inbox of a real home once, with the shipped definitions: `python -m ... HOME`."""

import sys
from pathlib import Path

from dagster import DagsterInstance

from shopkart_pipeline.definitions import drain_inbox


def main(home: Path) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    with DagsterInstance.from_config(str(home / "dagster")) as instance:
        drain_inbox(instance)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
