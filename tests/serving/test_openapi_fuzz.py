"""The service keeps what its OpenAPI document promises, whatever is sent: Schemathesis over every operation.

``FUZZ_EXAMPLES=1000 pytest tests/serving/test_openapi_fuzz.py`` goes on for longer than ``make test`` does.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rectangles import as_photo, rectangles_rgb
from running_service import Service, serving, upload

from dentwatch.records import api_keys
from dentwatch.records.database import Database
from dentwatch.records.model_bundle import ModelBundle
from dentwatch.records.roles import Role
from dentwatch.settings import Settings

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "10"))  # random requests per operation

# Not checked: that every request which fits the schema is accepted. No schema can say that an id must exist, that bytes
# must be a photo, or that webhooks are switched off.
CONFIGURATION = """
seed = 1
continue-on-failure = true
headers = {{ Authorization = "Bearer {key}" }}

[generation]
max-examples = {examples}
deterministic = true

[checks]
positive_data_acceptance.enabled = false
"""
OF_WHAT_EXISTS = """
[parameters]
"path.inspection_id" = "{inspection}"
"path.vehicle_id" = "VIN-1"
"path.position" = 0
"path.name" = "dentwatch"
"path.version" = "{version}"
"""
# The key with which everything is asked is not to be revoked on the way.
OF_NOBODY = """
[[operations]]
include-name = "DELETE /v1/keys/{name}"
parameters = { "path.name" = "nobody" }
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home, and an admin's key in it."""
    home = tmp_path_factory.mktemp("openapi")
    with Database.of(Settings(home=home)).writing() as connection:
        return home, api_keys.create(connection, "fuzz", Role.ADMIN, "ada").text


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, key: tuple[Path, str]) -> Iterator[Service]:
    home, text = key
    with serving(bundle, home, home / "log", rate=10**6, burst=10**6) as service:
        service.client.headers["Authorization"] = f"Bearer {text}"
        yield service


@pytest.mark.parametrize("known", [True, False], ids=["of what exists", "of anything"])
def test_every_operation_keeps_its_promises(
    service: Service, key: tuple[Path, str], tmp_path: Path, known: bool
) -> None:
    photo = upload("a.png", as_photo(rectangles_rgb(320, 240, ("scratch", 40, 30, 90, 20))))
    inspections = [service.inspect(photo, vehicle_id="VIN-1").json()["id"] for _ in range(2)]
    configuration = CONFIGURATION.format(key=key[1], examples=EXAMPLES)
    if known:
        version = service.document["model"].rpartition("/")[2]
        configuration += OF_WHAT_EXISTS.format(inspection=inspections[0], version=version)
    (tmp_path / "schemathesis.toml").write_text(configuration + OF_NOBODY)
    run = subprocess.run(
        [Path(sys.executable).parent / "st", "run", f"{service.document['address']}/openapi.json", "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    document = service.client.get("/openapi.json").json()
    operations = sum(map(len, document["paths"].values()))
    assert f"{operations} selected / {operations} total" in run.stdout
    assert "HTTPValidationError" not in document["components"]["schemas"]  # FastAPI's own form, never answered here
    assert service.client.get("/readyz").json()["ready"]
    assert "Traceback" not in service.log.read_text()
