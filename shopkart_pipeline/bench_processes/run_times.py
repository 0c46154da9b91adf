"""`python -m shopkart_pipeline.bench_processes.run_times DAGSTER_HOME RUN_ID…`: when each run was created, started and
ended, as one JSON object; times are seconds since the epoch."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from shopkart_pipeline.engine.instance import open_instance


def run_times(home: Path, run_ids: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """By run id `created`, `started`, `ended`."""
    times: dict[str, dict[str, float | None]] = {}
    with open_instance(home) as instance:
        for run_id in run_ids:
            record = instance.get_run_record_by_id(run_id)
            if record is not None:
                created = record.create_timestamp.timestamp()
                times[run_id] = {"created": created, "started": record.start_time, "ended": record.end_time}
    return times


if __name__ == "__main__":
    print(json.dumps(run_times(Path(sys.argv[1]), sys.argv[2:])))
