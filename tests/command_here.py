"""``dentwatch`` in this process, which has read the libraries already."""

import sys
from collections.abc import Iterable

import pytest

from dentwatch import cli, settings


def call(monkeypatch: pytest.MonkeyPatch, arguments: Iterable[str]) -> int:
    """Run the command line as a process of its own would; returns its exit code."""
    monkeypatch.setattr(sys, "argv", ["dentwatch", *arguments])
    settings.load.cache_clear()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)
