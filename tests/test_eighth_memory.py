"""No spoilt JPEG makes the compiled part touch memory that is not its own, or do what C does not define."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from test_eighth import BOTH, FULL, QUARTER, WIDE, jpeg, saved, scene

from dentwatch.data.eighth import COMPILED

COUNT = 20_000
ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "dentwatch" / "data" / "dc_jpeg"
SANITIZED = ("-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compiled(program: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    command = (os.environ.get("CC", "cc"), *SANITIZED, "-I", SOURCES, *sources, "-o", program)
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which(os.environ.get("CC", "cc")) is None, reason="there is no C compiler")
def test_it_was_built_where_there_is_a_compiler() -> None:
    assert COMPILED, "install Dentwatch anew and look at what the compiler says: `pip install -v --editable .`"


@pytest.fixture(scope="module")
def mutations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that decodes spoilt photos, compiled with sanitizers."""
    folder = tmp_path_factory.mktemp("sanitized")
    if shutil.which(os.environ.get("CC", "cc")) is None:
        pytest.skip("there is no C compiler")
    nothing = folder / "nothing.c"
    nothing.write_text("int main(void) { return 0; }\n")
    if compiled(folder / "nothing", nothing).returncode or subprocess.run(folder / "nothing", check=False).returncode:
        pytest.skip("the C compiler has no address and undefined-behaviour sanitizers")
    program = folder / "mutations"
    sources = [source for source in sorted(SOURCES.glob("*.c")) if source.name != "module.c"]
    built = compiled(program, ROOT / "tests" / "dc_jpeg_mutations.c", *sources)
    assert built.returncode == 0, built.stderr
    return program


def test_spoilt_photos_stay_within_their_memory(mutations: Path, tmp_path: Path) -> None:
    small = scene()[:60, :90]
    # One of these is larger than the decoder's buffer, which is then filled several times.
    photos = [jpeg(small, sampling) for sampling in (FULL, WIDE, BOTH, QUARTER)]
    photos += [jpeg(small, restarts=2), jpeg(scene()[:160, :200], FULL, 100), saved("L", quality=20)]
    paths = [tmp_path / f"{number}.jpg" for number in range(len(photos))]
    for path, photo in zip(paths, photos, strict=True):
        path.write_bytes(photo)
    run = subprocess.run((mutations, str(COUNT), "5", *paths), capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    decoded, _, refused, _ = run.stdout.split()  # "… decoded, … refused"
    assert int(decoded) + int(refused) == COUNT
    assert min(int(decoded), int(refused)) > COUNT / 10
