"""The documentation says what there is: no more, no less; and the repository keeps to its own rules."""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from dentwatch import settings
from dentwatch.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "manager"}
MOST_LINES = 400

# Hosts that packages and images are fetched from: which one is used is a matter of the machine, not of the project.
# In pieces, so that this file passes its own test.
REGISTRIES = (
    "pypi" + ".org",
    "pythonhosted" + ".org",
    "registry.npm" + "js",
    "registry.yarn" + "pkg",
    "conda" + ".anaconda",
    "index.crates" + ".io",
    "download.pytorch" + ".org",
    "artifact" + "ory",
)
TOOLING = re.compile(r"\b(?:coding|AI|LLM) (?:agent|assistant|session)s?\b|\bsub-?agents?\b", re.IGNORECASE)


def commands(command: Any, path: str = "dentwatch") -> dict[str, Any]:
    """Every command that does something, by what is typed."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return {path: command}
    return {name: one for key in inner for name, one in commands(inner[key], f"{path} {key}").items()}


COMMANDS = commands(typer.main.get_command(app))


@cache
def tracked() -> list[Path]:
    """The files that git tracks."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a git checkout, so there are no tracked files to look at")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    """Tracked text files and what they say."""
    found = []
    for path in tracked():
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            found.append((path, data.decode("utf-8", "replace")))
    return found


def rows(page: str) -> list[list[str]]:
    """The cells of every table row of a page."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| `")]


# Settings


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    assert sorted(row[0].strip("`") for row in rows("settings.md")) == sorted(settings.names())


@pytest.mark.parametrize("row", rows("settings.md"), ids=lambda row: row[0])
def test_a_settings_row_is_true(row: list[str]) -> None:
    name, key, _, default, meaning = row
    if name != "`DENTWATCH_HOME`":
        assert key == f"`{name.strip('`').removeprefix('DENTWATCH_').lower().replace('__', '.')}`"
    actual = settings.names()[name.strip("`")].default
    if actual is None:
        assert "home" in default  # where it lies unless something is said
    else:
        assert default.strip("`") == (str(actual).lower() if isinstance(actual, bool) else str(actual))
    assert meaning


def test_settings_that_other_pages_name_exist() -> None:
    known = {*settings.names(), "DENTWATCH_DEBUG", "DENTWATCH_SHARED"}
    for page in PAGES:
        named = set(re.findall(r"DENTWATCH_[A-Z0-9_]*[A-Z0-9]", page.read_text(encoding="utf-8")))
        assert not named - known, page


# Commands


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    assert sorted(row[0].strip("`") for row in rows("commands.md")) == sorted(COMMANDS)


@pytest.mark.parametrize("row", rows("commands.md"), ids=lambda row: row[0])
def test_the_example_of_a_command_is_one_that_it_understands(row: list[str]) -> None:
    name, example = row[0].strip("`"), row[2].strip("`")
    words = shlex.split(example.partition(" > ")[0])
    assert words[: len(name.split())] == name.split()
    COMMANDS[name].make_context(name, words[len(name.split()) :])  # parses, and raises where that fails


def test_commands_and_options_that_the_pages_name_exist() -> None:
    for page in PAGES:
        for line in _command_lines(page.read_text(encoding="utf-8")):
            known = [name for name in COMMANDS if f"{line} ".startswith(f"{name} ")]
            assert known, f"{page.name}: {line}"
            options = {option for one in COMMANDS[known[0]].params for option in (*one.opts, *one.secondary_opts)}
            used = set(re.findall(r"(?<=\s)--[a-z][a-z-]*", line))
            assert used <= {*options, "--help", "--debug"}, f"{page.name}: {line}"


def _command_lines(text: str) -> list[str]:
    """Calls of Dentwatch in code blocks: from `dentwatch` to the end of the line, a comment or the next command."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    called = (re.match(r"\s*(?:\$ )?(dentwatch [a-z].*)", line) for line in lines)
    return [re.split(r"\s+#|&&|\|", found[1])[0].strip() for found in called if found]


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert not broken


# The house's rules


def test_files_stay_short_and_are_named_for_what_they_hold() -> None:
    source = sorted((ROOT / "src").rglob("*.py"))
    assert source
    long = {path.name: lines for path in source if (lines := len(path.read_bytes().splitlines())) > MOST_LINES}
    assert not long
    vague = [path for path in source for part in (*path.parent.parts, path.stem) if part in FORBIDDEN_NAMES]
    assert not vague


def test_nothing_names_a_registry_or_a_place_on_one_machine() -> None:
    places = (f"{ROOT}/", f"{ROOT.parent / 'shared'}/")
    for path, text in texts():
        assert not [host for host in REGISTRIES if host in text], path
        assert not [place for place in places if place in text], path


def test_the_project_speaks_of_the_product_alone() -> None:
    for path, text in texts():
        if path.resolve() != Path(__file__).resolve():
            assert not TOOLING.search(text), path


def test_the_lock_is_names_and_versions() -> None:
    lock = ROOT / "requirements.lock"
    if not lock.exists():
        pytest.skip("there is no requirements.lock yet")
    lines = lock.read_text(encoding="utf-8").splitlines()
    assert lines
    odd = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", line)]
    assert not odd
