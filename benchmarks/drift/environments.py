"""Other libraries, each in an environment of its own that is made when it is first needed."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"


def peers() -> list[Path]:
    """The scripts of all peers; the head of each (PEP 723) says what it needs."""
    return sorted(PEERS.glob("*.py"))


def alarms_of(peer: Path, streams: Path, cache: Path) -> dict[str, dict[str, list[int]]]:
    """Alarms by method and stream. Raises ``CalledProcessError`` where it cannot be installed or run."""
    python = _environment(peer, cache) / "bin" / "python"
    answer = subprocess.run([python, peer, streams], check=True, capture_output=True, text=True)
    found: dict[str, dict[str, list[int]]] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _environment(peer: Path, cache: Path) -> Path:
    lines = peer.read_text("utf-8").splitlines()[1:]
    head = "\n".join(line.removeprefix("# ") for line in lines[: lines.index("# ///")])
    wanted = tomllib.loads(head)["dependencies"]
    folder = cache / "environments" / peer.stem
    done = folder / "dependencies.txt"
    if not done.exists() or done.read_text("utf-8") != "\n".join(wanted):
        print(f"Making the environment of {peer.stem} in {folder}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *wanted], check=True, capture_output=True)
        done.write_text("\n".join(wanted), "utf-8")
    return folder
