"""Worker processes stay small: the pages bring none of the heavy libraries until somebody asks for what needs them."""

import subprocess
import sys

HEAVY = ("mlflow", "pyarrow", "torch", "pandas", "matplotlib")


def test_the_pages_import_nothing_heavy() -> None:
    program = f"import sys, dentwatch.web.routers; print([one for one in {HEAVY!r} if one in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
