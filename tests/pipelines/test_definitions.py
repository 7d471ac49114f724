"""The graph that Dagster loads."""

import subprocess
import sys

import dagster as dg
import pytest

from dentwatch.pipelines.definitions import defs

GRAPH = {
    "ingested_batch": [],
    "dataset_version": ["ingested_batch"],
    "candidates": ["dataset_version"],
    "best_model": ["candidates"],
    "evaluation": ["best_model"],
    "registered_challenger": ["evaluation"],
    "gate_ruling": ["registered_challenger"],
    "deployment": ["gate_ruling"],
    "drift_window": [],
    "incident": ["drift_window"],
    "diagnosis": ["incident"],
    "remedy": ["diagnosis"],
    "night": [],
}
CHECKS = {
    "ingested_batch": {"validation_report"},
    "dataset_version": {"no_leakage", "class_balance"},
    "registered_challenger": {"parity"},
    "gate_ruling": {"gate", "latency_budget"},
}
JOBS = {
    "data_pipeline": {"ingested_batch", "dataset_version"},
    "training_pipeline": {"candidates", "best_model", "evaluation", "registered_challenger"},
    "gate_pipeline": {"gate_ruling"},
    "inference_pipeline": {"deployment"},
    "monitoring_pipeline": {"drift_window", "incident", "diagnosis", "remedy"},
    "night_work": {"night"},
}


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return defs.get_repository_def()


def test_the_graph_is_this(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    found = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }
    assert found == GRAPH


def test_checks_guard_these_assets(repository: dg.RepositoryDefinition) -> None:
    found: dict[str, set[str]] = {}
    for key in repository.asset_graph.asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    assert found == CHECKS


def test_each_job_makes_these_assets(repository: dg.RepositoryDefinition) -> None:
    jobs = {job.name: job for job in repository.get_all_jobs() if not job.name.startswith("__")}
    found = {name: {key.to_user_string() for key in job.asset_layer.selected_asset_keys} for name, job in jobs.items()}
    assert found == JOBS


def test_the_command_line_starts_without_dagster() -> None:
    said = "import sys, dentwatch.cli.app; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0
