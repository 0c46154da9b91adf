"""How states look."""

STYLES = {
    "passed": "green",
    "released": "bold green",
    "failed": "bold red",
    "missing": "bold yellow",
    "stopped": "bold red",
    "rolled_back": "bold yellow",
    "under_way": "cyan",
    "taken_over": "green",
    "cancelled": "dim",
    "not_affected": "dim",
    "running": "cyan",
    "not_run": "dim",
    "skipped": "yellow",
}
MARKS = {"passed": "✔", "failed": "✘", "missing": "?", "running": "…", "not_run": "·"}
