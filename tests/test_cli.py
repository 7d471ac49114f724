"""The front door: every command explains itself, answers programs and people, and fails in one readable paragraph."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import command_here
import pytest
import tiny_model
import typer
from typer.testing import CliRunner

from dentwatch import settings
from dentwatch.cli.app import app
from dentwatch.data.ingest import Ingest
from dentwatch.data.sources import open_source
from dentwatch.data.synthetic import generate
from dentwatch.records import api_keys
from dentwatch.records.database import Database
from dentwatch.records.registry import Registry
from dentwatch.records.roles import Role

HEAVY = ("torch", "torchvision", "lightning", "libreyolo", "mlflow", "pyarrow", "cv2", "fastapi", "onnxruntime")
PROGRAM = [sys.executable, "-c", "from dentwatch.cli import main; main()"]

# How each command is called on the home of `furnished`; {photos} is its source, {new} a path that is not there yet.
CALLS = {
    "demo": "demo {photos} --minutes 0.05 --no-story",
    "inspect": "inspect {photos}/images --threads 1",
    "train": "train --input-size 64 --epochs 1 --batch-size 4 --name first",
    "evaluate": "evaluate --resamples 20 --no-latency",
    "serve": "serve --port 0",
    "data ingest": "data ingest {photos} --workers 1",
    "data versions": "data versions",
    "data show": "data show latest",
    "data diff": "data diff latest latest",
    "data export": "data export latest --format yolo --out {new}",
    "data set-aside": "data set-aside",
    "data retry": "data retry --map unheard-of=dent",
    "data generate": "data generate {new} --count 1 --size 64 --workers 1",
    "models list": "models list",
    "models show": "models show champion",
    "models card": "models card champion",
    "models promote": "models promote 1 --reason again",
    "models rollback": "models rollback --reason worse",
    "models history": "models history",
    "models export": "models export champion {new}",
    "models clean": "models clean",
    "quality": "quality --model starter --photos 6",
    "prices check": "prices check",
    "keys create": "keys create shop --role seller",
    "keys list": "keys list",
    "keys password": "keys password lot --stdin",
    "keys revoke": "keys revoke lot",
    "audit list": "audit list",
    "audit verify": "audit verify",
    "kpis": "kpis",
    "monitor status": "monitor status",
    "monitor drift": "monitor drift",
    "monitor incidents": "monitor incidents --all",
    "monitor review": "monitor review",
    "monitor performance": "monitor performance --by day",
    "monitor alerts": "monitor alerts",
    "monitor silence": "monitor silence all --for 2h --why lamps",
    "monitor replay": "monitor replay {photos}/images",
    "monitor run": "monitor run",
    "loop status": "loop status",
    "loop run": "loop run",
    "loop ask": "loop ask",
    "loop step": "loop step KEY",
    "loop cancel": "loop cancel KEY --reason unwanted",
    "loop retry": "loop retry KEY",
    "label-studio send": "label-studio send",
    "label-studio take": "label-studio take",
    "label-studio watch": "label-studio watch",
    "models approve": "models approve challenger --reason good",
    "models veto": "models veto challenger --reason bad",
    "data inbox list": "data inbox list",
    "data inbox release": "data inbox release BATCH",
    "data inbox reject": "data inbox reject BATCH",
    "data contradictions list": "data contradictions list",
    "data contradictions decide": "data contradictions decide ID",
    "data disagreements": "data disagreements",
    "search": "search",
    "trace": "trace starter",
    "up": "up",
}
TRAINING = {"demo", "train", "search"}  # tested in tests/training, because they take their time
STAYING = {"serve", "monitor run", "loop run"}  # until they are told to stop
NEEDS_MORE = {  # photos, steps, batches, ports and a Label Studio that are not here: the tests of each part have them
    "monitor replay",
    "loop step",
    "loop cancel",
    "loop retry",
    "models approve",
    "models veto",
    "data inbox release",
    "data inbox reject",
    "data contradictions decide",
    "label-studio send",
    "label-studio take",
    "label-studio watch",
    "up",
}


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def paragraph(self) -> str:
        """What stderr says, as one line."""
        return " ".join(self.err.split())


Run = Callable[..., Outcome]


def tree(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every group and command with its path, as in ``data ingest``; the root's is empty."""
    yield path, command
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        yield from tree(inner, f"{path} {name}".strip())


TREE = dict(tree(typer.main.get_command(app)))
COMMANDS = [path for path, command in TREE.items() if not hasattr(command, "commands")]


@pytest.fixture
def run(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `dentwatch …` in this process, in a working directory of its own where nothing may appear."""
    cwd = tmp_path / "cwd"
    cwd.mkdir()
    monkeypatch.chdir(cwd)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO("a password on a line\n"))
        code = command_here.call(monkeypatch, arguments)
        assert not list(cwd.iterdir())
        return Outcome(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="module")
def garage(tmp_path_factory: pytest.TempPathFactory, empty_tracking_database: Path) -> Path:
    """A folder with twelve photos of six vehicles and a home that took them in, set one aside and has two models."""
    folder = tmp_path_factory.mktemp("garage")
    file = generate(folder / "photos", 12, size=128, photos_per_vehicle=2, undamaged_share=0, workers=1)
    document = json.loads(file.read_text())
    for image in document["images"]:
        image["split"] = ("train", "train", "val", "test")[image["id"] // 2 % 4]
    document["categories"].append({"id": 99, "name": "unheard-of"})
    document["annotations"][0]["category_id"] = 99
    file.write_text(json.dumps(document))
    (folder / "home").mkdir()
    shutil.copy(empty_tracking_database, folder / "home")
    kept = settings.Settings(home=folder / "home")
    Ingest(kept).run(open_source(str(folder / "photos")).photos())
    registry = Registry(kept)
    for number, card in ((1, "# One\n"), (2, "# Two\n")):
        registry.register(tiny_model.write_bundle(folder / f"model-{number}", card=card))
        registry.promote(number, "for the tests", "ada")
    database = Database.of(kept)
    with database.writing() as connection:
        api_keys.create(connection, "lot", Role.VIEWER, "ada")
    database.close()  # into one file, which can be copied
    return folder


@pytest.fixture
def furnished(garage: Path, home: Path) -> Path:
    """DENTWATCH_HOME is a copy of the garage's; returns the garage."""
    shutil.copytree(garage / "home", home)
    return garage


def _arguments(path: str, garage: Path, tmp_path: Path) -> list[str]:
    return [word.format(photos=garage / "photos", new=tmp_path / "new") for word in CALLS[path].split()]


def _documents(text: str) -> list[Any]:
    """The JSON documents in ``text``; fails where there is anything else."""
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


def _help(path: str) -> str:
    shown = CliRunner().invoke(app, [*path.split(), "--help"], env={"COLUMNS": "80"}, catch_exceptions=False)
    assert shown.exit_code == 0
    return shown.stdout


# Explaining itself


def test_every_command_is_called_by_these_tests() -> None:
    assert sorted(CALLS) == sorted(COMMANDS)


@pytest.mark.parametrize("path", TREE)
def test_every_command_and_group_has_help_with_an_example_of_itself(path: str) -> None:
    assert TREE[path].help
    shown = " ".join(_help(path).split())
    assert "Example" in shown
    assert f"dentwatch {path}".strip() in shown.partition("Example")[2]


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_explained(path: str) -> None:
    unexplained = [parameter.name for parameter in TREE[path].params if not getattr(parameter, "help", None)]
    assert not unexplained


def test_every_command_takes_json() -> None:
    assert not [path for path in COMMANDS if not any("--json" in option.opts for option in TREE[path].params)]


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = f"""
import sys
from typer.testing import CliRunner
from dentwatch.cli.app import app
for path in {list(TREE)!r}:
    assert CliRunner().invoke(app, [*path.split(), "--help"]).exit_code == 0
found = [name for name in {HEAVY!r} if name in sys.modules]
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Answering


@pytest.mark.parametrize("path", [path for path in CALLS if path not in TRAINING | STAYING | NEEDS_MORE | {"inspect"}])
def test_json_is_one_document_on_stdout(path: str, furnished: Path, run: Run, tmp_path: Path) -> None:
    done = run(*_arguments(path, furnished, tmp_path), "--json")
    assert (done.code, len(_documents(done.out))) == (0, 1), done.err


def test_the_whole_walk_ends_in_one_document(furnished: Path, tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    command = [*PROGRAM, *_arguments("demo", furnished, tmp_path), "--json"]
    done = subprocess.run(command, cwd=tmp_path / "cwd", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [document] = _documents(done.stdout)
    assert Path(document["report"]).is_file()
    assert document["model"] == "dentwatch/3"
    assert not list((tmp_path / "cwd").iterdir())


def test_inspect_answers_with_one_line_of_json_per_photo(furnished: Path, run: Run, tmp_path: Path) -> None:
    done = run(*_arguments("inspect", furnished, tmp_path), "--json")
    assert done.code == 0
    assert [json.loads(line)["model"] for line in done.out.splitlines()] == ["dentwatch/2"] * 12


@pytest.mark.parametrize("path", sorted(STAYING))
def test_what_stays_announces_itself_in_one_document(path: str, furnished: Path, tmp_path: Path) -> None:
    (tmp_path / "cwd").mkdir()
    command = [*PROGRAM, *_arguments(path, furnished, tmp_path), "--json"]
    with subprocess.Popen(
        command, cwd=tmp_path / "cwd", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as service:
        assert service.stdout is not None
        first = "".join(iter(service.stdout.readline, "}\n")) + "}"
        service.terminate()
        rest, told = service.communicate(timeout=60)
    assert json.loads(first)["pid"] == service.pid
    assert (service.returncode, rest) == (0, ""), told
    assert not list((tmp_path / "cwd").iterdir())


@pytest.mark.parametrize("path", [path for path in CALLS if path not in TRAINING | STAYING | NEEDS_MORE])
def test_people_read_whole_words_at_80_columns(path: str, furnished: Path, run: Run, tmp_path: Path) -> None:
    done = run(*_arguments(path, furnished, tmp_path))
    assert done.code == 0, done.err
    assert done.out.strip()
    assert "…" not in done.out  # what Rich puts where a cell was cut off


# Failing


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("data ingest nowhere", "nowhere"),
        ("data show latest", "There is no dataset version"),
        ("data export latest --out copy", "There is no dataset version"),
        ("data retry --map dirt", "dirt"),
        ("train", "There is no dataset version"),
        ("train --resume yesterday", "There is no run named 'yesterday'"),
        ("evaluate --split holdout", "There is no split 'holdout'"),
        ("evaluate", "There is no dataset version"),
        ("inspect car.jpg --model 3", "There is no model '3'"),
        ("models show champion", "There is no model version 'champion'"),
        ("models rollback --reason worse", "no earlier champion"),
        ("serve --host 0.0.0.0", "0.0.0.0"),
    ],
)
def test_an_error_is_one_paragraph_that_names_the_input(arguments: str, told: str, run: Run, home: Path) -> None:
    done = run(*arguments.split())
    assert (done.code, done.out) == (1, "")
    assert done.paragraph.startswith("Error: ")
    assert told in done.paragraph
    assert len(done.err.strip().splitlines()) == 1
    assert "Traceback" not in done.err
    assert not home.exists()  # asking for what is not there leaves nothing behind


def test_a_wrong_training_setting_is_named(furnished: Path, run: Run) -> None:
    done = run("train", "--set", "augmentation.colours=0.5")
    assert (done.code, done.out) == (1, "")
    assert "The training setting augmentation.colours cannot be used" in done.paragraph


def test_debug_shows_the_traceback(home: Path) -> None:
    done = subprocess.run([*PROGRAM, "data", "show", "--debug"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "DatasetError: There is no dataset version" in done.stderr


def test_what_nobody_expected_is_one_paragraph_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dentwatch.records.datasets.DatasetStore.versions", lambda _: 1 // 0)
    done = run("data", "versions")
    assert done.code == 1
    assert "did not expect: ZeroDivisionError" in done.paragraph
    assert "--debug" in done.paragraph


def test_a_home_that_cannot_be_used_is_named(run: Run, home: Path) -> None:
    home.write_text("a file where a folder should be")
    done = run("data", "versions")
    assert done.code == 1
    assert str(home) in done.paragraph


@pytest.mark.parametrize(
    "arguments", ["data show latest 3", "data", "data digest", "inspect", "train --epochs many", "models promote 1"]
)
def test_a_command_line_that_is_not_understood_exits_with_2(arguments: str, run: Run) -> None:
    done = run(*arguments.split())
    assert done.code == 2
    assert "Traceback" not in done.err


# Settings


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DENTWATCH_DATA__VAL_SHARE", "0.9", "val_share and test_share together must stay below 1"),
        ("DENTWATCH_DATA__MIN_SIDE", "abc", "The setting DENTWATCH_DATA__MIN_SIDE in the environment cannot be used"),
        ("DENTWATCH_DATA__MINSIDE", "90", "Did you mean DENTWATCH_DATA__MIN_SIDE?"),
        ("DENTWATCH_SERVIN__PORT", "90", "Did you mean DENTWATCH_SERVING__PORT?"),
        ("DENTWATCH_SERVING__PORT", "70000", "less than or equal to 65535"),
        ("DENTWATCH_DATA", "abc", 'field "data"'),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, told: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    done = run("data", "versions")
    assert done.code == 1
    assert told in done.paragraph


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[data]\nmin_side = 'abc'", "data.min_side (DENTWATCH_DATA__MIN_SIDE)"),
        ("[data]\nmin_sides = 90", "Did you mean data.min_side?"),
        ("colour = 'blue'", "There is no setting colour"),
        ("[data", "is not valid TOML"),
        ("# \udcff", "is not valid TOML"),
    ],
)
def test_a_wrong_settings_file_is_named(text: str, told: str, run: Run, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = run("data", "versions")
    assert done.code == 1
    assert told in done.paragraph
    assert str(home / "settings.toml") in done.paragraph


def test_the_environment_wins_over_the_file_and_nothing_is_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir()
    (home / "settings.toml").write_text("photos_url = 's3://cars'\n[data]\nmin_side = 90\nworkers = 3\n")
    monkeypatch.setenv("DENTWATCH_DATA__MIN_SIDE", "200")
    monkeypatch.setenv("DENTWATCH_PHOTOS_URL", "")
    loaded = settings.load()
    assert (loaded.data.min_side, loaded.data.workers, loaded.photo_store_url) == (200, 3, "s3://cars")


# Being stopped


def test_ctrl_c_ends_an_ingest_with_a_sentence(garage: Path, home: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    photo = next((garage / "photos" / "images").iterdir()).read_bytes()
    for number in range(3000):
        (many / f"{number}.jpg").write_bytes(photo + number.to_bytes(4, "big"))
    ingest = subprocess.Popen(
        [*PROGRAM, "data", "ingest", str(many), "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A runner that was started in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    )
    while not (home / "datasets" / ".lock").exists() and ingest.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)  # the processes that examine photos are starting, or at work
    os.killpg(ingest.pid, signal.SIGINT)  # a terminal tells the whole group
    out, err = ingest.communicate(timeout=60)
    assert (ingest.returncode, out) == (130, ""), err
    assert " ".join(err.split()).startswith("Error: Stopped by you; what was finished is kept.")
    assert "Traceback" not in err
    assert not (home / "datasets" / "catalog.json").exists()


@pytest.mark.parametrize("path", ["data versions", "inspect"])
def test_a_reader_that_goes_away_is_no_error_message(path: str, furnished: Path, tmp_path: Path) -> None:
    command = [*PROGRAM, *_arguments(path, furnished, tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.close()
        assert writer.stderr is not None
        assert writer.stderr.read() == ""
    assert writer.returncode == 1
