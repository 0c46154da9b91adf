"""What this machine is, and how busy it was: numbers without these say nothing."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("dagster", "sqlalchemy", "pydantic", "starlette", "uvicorn")


def machine_facts() -> dict[str, Any]:
    """Cores, memory, processor, kernel, Python and the packages that matter."""
    return {
        "cores": psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def load_facts() -> dict[str, Any]:
    """How busy the machine is: processes that want to run, on average over one and five minutes."""
    one, five, _ = psutil.getloadavg()
    return {"load_1_minute": one, "load_5_minutes": five, "processes": len(psutil.pids())}


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
