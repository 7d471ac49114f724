"""Memory that photos have left free is not fetched from the system again with the next ones."""

import os
import platform
import subprocess
import sys

import pytest

_PHOTOS = """
import resource
from dentwatch.serving import allocator
allocator.keep_for_photos()
def faults_of(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        photos = [b"x" * (4 << 20) for _ in range(3)]
        del photos
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults_of(3)
print(faults_of(10))
"""


def _faults(**environment: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", _PHOTOS], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such settings")
def test_memory_of_photos_is_kept_unless_the_environment_says_otherwise() -> None:
    pages = 10 * 3 * (4 << 20) // os.sysconf("SC_PAGE_SIZE")
    assert _faults() < 0.01 * pages
    assert _faults(MALLOC_TRIM_THRESHOLD_="131072") > 0.5 * pages
