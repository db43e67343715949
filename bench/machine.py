"""What a figure was measured on: one line for the head of every benchmark's output."""

import os
import platform
from importlib.metadata import version


def describe() -> str:
    """Processor kind, cores, system, and the versions that decide speed."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("mlx", "mlx-lm"))
    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}, {packages}"
    )
