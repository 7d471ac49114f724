"""Worker processes use memory again that they have freed."""

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import resource, sys
from dentwatch.serving.memory import keep_freed

if "keep" in sys.argv:
    assert keep_freed()
def faults_of_photos():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    photos = [bytes([number]) * (4 << 20) for number in range(1, 5)]
    del photos
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(3):
    faults_of_photos()
print(sum(faults_of_photos() for _ in range(10)))
"""


def _faults(*arguments: str) -> int:
    asked = [sys.executable, "-c", _FAULTS, *arguments]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told so")
def test_a_process_that_keeps_what_it_freed_is_given_no_new_pages_for_the_next_photos() -> None:
    assert _faults("keep") < 100
    assert _faults() > 10_000
