"""Each Prometheus rule fires when it should and not otherwise, and names figures that there are."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_cases import CALM, CASES, Case

from dentwatch.monitoring import metrics

ROOT = Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "deploy" / "prometheus" / "dentwatch-rules.yml"
EVERY: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}


@pytest.fixture(scope="module")
def promtool() -> str:
    if (found := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed: apt-get install prometheus runs this test")
    return found


def _run(*arguments: object) -> str:
    done = subprocess.run(list(map(str, arguments)), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _expected(name: str, case: Case) -> dict[str, Any]:
    rule = EVERY[name]
    return {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {**rule["annotations"], "summary": case.summary},
    }


def _series(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": numbers} for name, numbers in values.items()]


def test_promtool_accepts_the_rules(promtool: str) -> None:
    assert f"{len(EVERY)} rules found" in _run(promtool, "check", "rules", RULES)


def test_every_rule_fires_when_it_should_and_none_while_all_is_well(promtool: str, tmp_path: Path) -> None:
    assert EVERY.keys() == CASES.keys()
    fired = [
        {
            "interval": "1m",
            "input_series": _series(case.series),
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": alerts}
                for minute, alerts in ((0, []), (case.minute, [_expected(name, case)]))
                if minute or "for" in EVERY[name]  # what has to last has not at the beginning
            ],
        }
        for name, case in CASES.items()
    ]
    calm = {
        "interval": "1m",
        "input_series": _series(CALM),
        "alert_rule_test": [
            {"eval_time": f"{hour}h", "alertname": name, "exp_alerts": []} for name in CASES for hour in (1, 26, 49)
        ],
    }
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [*fired, calm]}
    cases = tmp_path / "cases.yml"
    cases.write_text(yaml.safe_dump(document))
    _run(promtool, "test", "rules", cases)


@pytest.mark.parametrize("rule", EVERY.values(), ids=EVERY.keys())
def test_a_rule_names_figures_that_there_are_and_leads_to_its_page(rule: dict[str, Any]) -> None:
    known = {name for collector in metrics.REGISTRY._collector_to_names.values() for name in collector}
    assert set(re.findall(r"dentwatch_\w+", rule["expr"])) <= known
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def test_every_alert_is_documented_and_every_documented_one_exists() -> None:
    page = (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    documented = {section.partition("\n")[0]: section for section in sections}
    ours = {"Drift noticed", "Drift within tolerance", "Drift beyond tolerance", "Drift is over"}
    assert documented.keys() == EVERY.keys() | ours
    for name, section in documented.items():
        for part in ("**Means**", "**Look at**", "**Do**"):
            assert part in section, f"{name} does not say: {part}"
