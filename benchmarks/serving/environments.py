"""The peers and the virtual environment of each, made when it is first needed."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

PEERS = Path(__file__).resolve().parent / "peers"
_OPENING, _CLOSING = "# /// script", "# ///"


class PeerError(Exception):
    """A peer cannot take part; the message says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that somebody else makes, as the head of its file describes it.

    ``key`` is the file's name; ``command`` holds ``{port}``; ``path`` and ``form`` say how it is asked (see
    ``questions.py``).
    """

    key: str
    title: str
    dependencies: tuple[str, ...]
    command: tuple[str, ...]
    path: str
    form: str


def peers() -> list[Peer]:
    """Every peer in the folder, by its key."""
    return [_read(file) for file in sorted(PEERS.glob("*.py")) if file.read_text("utf-8").startswith(_OPENING)]


def _read(file: Path) -> Peer:
    """The inline metadata (PEP 723) at the head of a peer's file."""
    lines = file.read_text("utf-8").splitlines()[1:]
    head = [line.removeprefix("#").removeprefix(" ") for line in lines[: lines.index(_CLOSING)]]
    metadata = tomllib.loads("\n".join(head))
    own = metadata["tool"]["serving-benchmark"]
    dependencies = tuple(metadata["dependencies"])
    return Peer(file.stem, own["title"], dependencies, tuple(own["command"]), own["path"], own["form"])


def command_of(peer: Peer, cache: Path, port: int) -> list[str]:
    """The command line that starts ``peer``; makes its environment below ``cache`` if it is not there yet.

    Raises :class:`PeerError` when the environment cannot be made.
    """
    program, *arguments = (word.format(port=port) for word in peer.command)
    return [str(_environment(peer, cache) / "bin" / program), *arguments]


def versions(peer: Peer, cache: Path) -> dict[str, str]:
    """The versions of everything in the peer's environment, by name; empty where there is none."""
    python = cache / "environments" / peer.key / "bin" / "python"
    if not python.exists():
        return {}
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"],
        capture_output=True,
        check=True,
        text=True,
    )
    return {package["name"]: package["version"] for package in json.loads(listed.stdout)}


def _environment(peer: Peer, cache: Path) -> Path:
    folder = cache / "environments" / peer.key
    done = folder / "dependencies.txt"
    wanted = "\n".join(peer.dependencies)
    if done.exists() and done.read_text("utf-8") == wanted:
        return folder
    print(f"Making the environment of {peer.title} in {folder}", file=sys.stderr, flush=True)
    _run([sys.executable, "-m", "venv", "--clear", os.fspath(folder)])
    _run(
        [
            os.fspath(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "-q",
            *peer.dependencies,
        ]
    )
    done.write_text(wanted, "utf-8")
    return folder


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=1800)
    except subprocess.CalledProcessError as error:
        told = [line for line in error.stderr.splitlines() if line.strip()]
        raise PeerError(f"it cannot be installed: {told[-1] if told else error}") from error
    except subprocess.TimeoutExpired as error:
        raise PeerError("it was not installed within half an hour") from error
