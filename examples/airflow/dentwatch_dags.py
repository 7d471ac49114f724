"""Dentwatch's pipelines in Airflow 3, for teams that have one: every task is a call of the command line.

``dentwatch_first_model``: photos → dataset version → trained and registered model → evaluation, once, by hand.
``dentwatch_loop``: what monitoring, the inbox and the calendar call for, one step of Dentwatch's journal a task.
``dentwatch_search``: asks, once a week, for a search for a better network; the loop carries it out.

Airflow needs no Dentwatch in its own environment: ``DENTWATCH_COMMAND`` in that of its workers says how to call it, and
``DENTWATCH_…`` its settings, ``DENTWATCH_HOME`` above all.
"""

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import Param, dag, task

CALLS = {
    "ingest": "data ingest {photos} --json",
    "train": "train --dataset latest --name {name} --minutes {minutes} --json",
    "evaluate": "evaluate --model {model} --no-latency --json",
    "status": "monitor status --json",
    "ask": "loop ask --json",
    "ask for a search": "loop ask --search --json",
    "step": "loop step {key} --json",
}
"""Each command that a task calls; the words in braces are filled in when it runs."""

PIPELINES = {
    "data": ("take-in",),
    "monitoring": ("investigate", "remedy", "verify", "nightly"),
    "training": ("retrain", "search"),
    "deployment": ("gate", "roll-out", "guard"),
}
"""Which kinds of steps belong to which pipeline."""

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
TRIED_AGAIN = {"retries": 2, "retry_delay": timedelta(minutes=1)}


def dentwatch(call: str, **words: object) -> Any:
    """Call the command line and return its JSON document; an exit code other than 0 fails the task."""
    command = shlex.split(os.environ.get("DENTWATCH_COMMAND", "dentwatch"))
    arguments = [part.format(**words) for part in CALLS[call].split()]
    done = subprocess.run(
        [*command, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )  # stderr: the task's log
    return json.loads(done.stdout)


@dag(
    schedule=None,
    start_date=BEGAN,
    catchup=False,
    max_active_runs=1,  # two trainings of one name at a time would both register what they made
    default_args=TRIED_AGAIN,
    params={
        "photos": Param("", type="string", description="Folder, bucket or file of annotated photos."),
        "minutes": Param(60, type="number", exclusiveMinimum=0, description="Most minutes that are trained."),
        "name": Param("first", type="string", description="Name of the run; the same one goes on where it was."),
    },
    tags=["dentwatch"],
)
def dentwatch_first_model() -> None:
    """Photos become the first champion; every command may be repeated, so a task that died is tried again."""

    @task
    def dataset_version(params: dict[str, Any]) -> None:
        dentwatch("ingest", photos=params["photos"])

    @task
    def model(params: dict[str, Any]) -> str:
        return str(dentwatch("train", name=params["name"], minutes=params["minutes"])["model"]).rpartition("/")[2]

    @task
    def evaluation(version: str) -> None:
        dentwatch("evaluate", model=version)

    trained = model()
    dataset_version() >> trained
    evaluation(trained)


@dag(
    schedule=timedelta(minutes=1),
    start_date=BEGAN,
    catchup=False,
    max_active_runs=4,  # a retraining takes an hour; a rollout is not to wait for it
    tags=["dentwatch"],
)
def dentwatch_loop() -> None:
    """Ask for what is due, and carry each step out in a task of its pipeline.

    Dentwatch's journal makes each step happen once and tries it again where it failed: whatever else looks after the
    same journal, runs may overlap, and Airflow repeats nothing by itself.
    """

    @task
    def drift_status() -> None:
        dentwatch("status")

    @task
    def due() -> list[str]:
        return list(dentwatch("ask")["keys"])

    @task
    def of(pipeline: str, keys: list[str]) -> list[str]:
        return [key for key in keys if key.partition("/")[0] in PIPELINES[pipeline]]

    @task(map_index_template="{{ key }}")
    def step(key: str) -> None:
        dentwatch("step", key=key)

    keys = due()
    drift_status() >> keys
    for pipeline in PIPELINES:
        chosen = of.override(task_id=f"due_in_{pipeline}")(pipeline, keys)
        step.override(task_id=pipeline).expand(key=chosen)


@dag(schedule="@weekly", start_date=BEGAN, catchup=False, default_args=TRIED_AGAIN, tags=["dentwatch"])
def dentwatch_search() -> None:
    """A search for a better network over the newest dataset version, once per version."""

    @task
    def ask() -> None:
        dentwatch("ask for a search")

    ask()


dentwatch_first_model()
dentwatch_loop()
dentwatch_search()
