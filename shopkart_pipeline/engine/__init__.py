"""What makes Dagster fast on one machine, without changing what a run is or how it looks.

| part | what it replaces | why |
| --- | --- | --- |
| `warm_server`, `launcher` | a fresh interpreter for each run | importing Dagster and the definitions takes seconds |
| `executor` | one step after another, or a process for each | stages mostly wait for a tool |
| `storage`, `sqlite_engines`, `first_open` | a connection for each statement | nine tenths of a stage without work |
| `event_rows`, `own_materializations` | composed statements, reading back what was just written | half of the rest |
| `compute_logs` | four processes that mirror a run's output | nobody watches a worker's own output |
| `places` | a daemon that looks into a queue every five seconds | merges run in order, at once when they may |
| `launch` | a request that makes a run each time it is sent | a key stands for one run |

The room knows Dagster and asset jobs, not our stages. Dagster has few public interfaces for any of this; each private
one is named where it is used, and Dagster's version is pinned.

Eleven gated stages without work, warm, on two busy cores: 0.14 s from `launch_once` to the first step, 0.45 s to the
end of the run, 25 to 35 ms for a stage with its check. The same job with Dagster's default launcher and multiprocess
executor, on the same machine within the same minute: 11 s and 66 s. The server holds 115 MB, and each worker adds about
25 MB of its own.
"""
