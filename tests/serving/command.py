"""The command line in a process of its own, as a person starts it."""

import os
import subprocess
import sys
from pathlib import Path

FORBIDDEN = ("torch", "torchvision", "lightning", "libreyolo", "onnx", "mlflow", "fastapi", "uvicorn", "pyarrow")
"""What answering about photos in files must do without: the training extra, and what takes long to import."""

_FORBID = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}} (this test takes it away)", name=name)
sys.meta_path.insert(0, Absent())
"""


def command(*arguments: str | Path, bare: bool = False) -> list[str]:
    """The command line of ``dentwatch`` with ``arguments``; ``bare`` takes the :data:`FORBIDDEN` packages away."""
    prelude = _FORBID if bare else ""
    return [sys.executable, "-c", f"{prelude}\nfrom dentwatch.cli import main; main()", *map(os.fspath, arguments)]


def dentwatch(*arguments: str | Path, bare: bool = False) -> subprocess.CompletedProcess[str]:
    """Run ``dentwatch`` with ``arguments`` to its end."""
    return subprocess.run(
        command(*arguments, bare=bare), capture_output=True, text=True, timeout=60, check=False, encoding="utf-8"
    )
