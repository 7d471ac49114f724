"""``dentwatch serve`` as a process of its own, asked over HTTP."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from command import dentwatch
from rectangles import as_photo, rectangles_rgb
from running_service import Service, Upload, assert_problem, serving, upload

from dentwatch.records.model_bundle import ModelBundle


@pytest.fixture(scope="module")
def service(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("serve")
    with serving(bundle, folder / "home", folder / "log") as service:
        yield service


@pytest.fixture(scope="module")
def small_service(bundle: ModelBundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with small limits."""
    folder = tmp_path_factory.mktemp("serve-small")
    limits = {"max_photos": 2, "max_photo_bytes": 20_000, "max_body_bytes": 100_000}
    with serving(bundle, folder / "home", folder / "log", **limits) as service:
        yield service


def _scene(n: int) -> bytes:
    rgb = rectangles_rgb(500 + 40 * n, 700, ("scratch", 20 * n, 30, 90, 20), ("dent", 200, 300, 100, 90 + n))
    return as_photo(rgb, orientation=1 + n % 8, file_format="JPEG" if n % 2 else "PNG")


def _slow_uploads() -> list[Upload]:
    """12-megapixel PNGs, which take a second or more together."""
    data = as_photo(np.zeros((3000, 4000, 3), np.uint8))
    return [upload(f"{n}.png", data) for n in range(16)]


def test_the_service_answers_what_inspect_answers(service: Service, bundle: ModelBundle, tmp_path: Path) -> None:
    files = {f"{n}.jpg": _scene(n) for n in range(8)} | {"notes.jpg": b"not a photo", "cut.jpg": _scene(1)[:-500]}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for minimum in (None, "0.001"):
        options = ["--min-score", minimum] if minimum else []
        run = dentwatch("inspect", *(tmp_path / name for name in files), "--model", bundle.folder, "--json", *options)
        lines = [json.loads(line) for line in run.stdout.splitlines()]
        fields = {"min_score": minimum} if minimum else {}

        response = service.inspect(*(upload(name, data) for name, data in files.items()), **fields)

        assert response.status_code == 200
        for name, entry, line in zip(files, response.json()["photos"], lines, strict=True):
            assert entry["photo"] == name
            assert line.pop("photo") == str(tmp_path / name)
            assert ("error" in entry) == (name in ("notes.jpg", "cut.jpg"))
            line.pop("timing_ms", None)
            line.pop("model")
            found = line.pop("detections", [])
            assert {key: entry[key] for key in line} == line
            assert [{key: one[key] for key in found[0]} for one in entry.get("detections", [])] == found


def test_an_inspection_says_what_answered_and_how_long_it_took(service: Service, bundle: ModelBundle) -> None:
    inspection = service.inspect(upload("a.png", _scene(0)), vehicle_id="VIN-1").json()
    assert inspection["model"] == bundle.name
    assert inspection["status"] == "done"
    assert inspection["vehicle_id"] == "VIN-1"
    assert inspection["id"] != service.inspect(upload("a.png", _scene(0))).json()["id"]
    timing = inspection["timing_ms"]
    assert timing.keys() == {"decode", "infer", "total"}
    assert 0 < timing["infer"] <= timing["total"]
    assert inspection["created_at"].endswith("Z")


def test_health(service: Service, bundle: ModelBundle) -> None:
    first = service.client.get("/healthz").json()
    assert (first["status"], first["model"]) == ("ok", bundle.name)
    assert service.client.get("/healthz").json()["uptime_s"] > first["uptime_s"] > 0


def test_every_error_is_a_problem_document(service: Service) -> None:
    photo = upload("a.png", _scene(0))
    assert "/nowhere" in assert_problem(service.client.get("/nowhere"), 404)["detail"]
    wrong_method = service.client.put("/v1/inspections")
    assert "POST" in assert_problem(wrong_method, 405)["detail"]
    assert wrong_method.headers["allow"] == "GET, POST"
    [missing] = assert_problem(service.inspect(("other", ("a", b"", "a/b"))), 422)["errors"]
    assert missing["field"] == "photos"
    [unknown] = assert_problem(service.inspect(photo, vehicle="VIN-1"), 422)["errors"]
    assert unknown["field"] == "vehicle"
    [high] = assert_problem(service.inspect(photo, min_score="1.01"), 422)["errors"]
    assert high["field"] == "min_score"
    assert_problem(service.inspect(photo, vehicle_id="v" * 201), 422)
    assert_problem(service.client.post("/v1/inspections", data={"photos": "text"}), 400)
    garbled = service.client.post(
        "/v1/inspections", content=b"garbage", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert_problem(garbled, 400)


def test_what_is_too_much_is_refused_by_name(small_service: Service) -> None:
    photo = as_photo(rectangles_rgb(64, 64))
    assert small_service.inspect(upload("a", photo), upload("b", photo)).status_code == 200
    many = small_service.inspect(*(upload(str(n), photo) for n in range(3)))
    assert "More than 2 photos came" in assert_problem(many, 413, "too-many-photos")["detail"]
    big = assert_problem(small_service.inspect(upload("big.jpg", bytes(20_001))), 413, "photo-too-large")
    assert "big.jpg has more than the 20,000 bytes" in big["detail"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not(small_service: Service, declared: bool) -> None:
    request = small_service.client.build_request(
        "POST", "/v1/inspections", files=[upload("a", bytes(60_000)), upload("b", bytes(60_000))]
    )
    body = b"".join(request.stream)  # type: ignore[arg-type]
    content = body if declared else (body[start : start + 8192] for start in range(0, len(body), 8192))
    headers = {"content-type": request.headers["content-type"]}
    response = small_service.client.post("/v1/inspections", content=content, headers=headers)
    # What does not say how large it is may have been read as far as its first photo, which is too large as well.
    kinds = ["body-too-large"] if declared else ["body-too-large", "photo-too-large"]
    assert assert_problem(response, 413)["type"].removeprefix("urn:dentwatch:problem:") in kinds
    assert small_service.client.get("/healthz").status_code == 200


def test_a_body_that_waits_to_be_wanted_is_refused_before_it_is_sent(small_service: Service) -> None:
    address = httpx.URL(small_service.document["address"])
    head = (
        "POST /v1/inspections HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 413 ")


def test_the_openapi_description_shows_examples_and_problems(service: Service) -> None:
    description = service.client.get("/openapi.json").json()
    operation = description["paths"]["/v1/inspections"]["post"]
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert {"photo", "error", "reason"} <= example["photos"][1].keys()
    for status in ("400", "413", "422", "500", "503"):
        schema = operation["responses"][status]["content"]["application/problem+json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Problem"}
    defined = description["components"]["schemas"]
    references = set(_references(description))
    assert "Problem" in references
    assert references <= defined.keys()


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)


def _terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def _interrupt(group: int) -> None:
    """What a terminal does about Ctrl-C."""
    os.killpg(group, signal.SIGINT)


@pytest.mark.parametrize("tell", [_terminate, _interrupt])
def test_it_stays_responsive_and_drains_when_told_to_stop(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Callable[[int], None]
) -> None:
    monkeypatch.setenv("DENTWATCH_MONITORING__ENABLED", "true")
    with (
        serving(bundle, tmp_path / "home", tmp_path / "log") as service,
        ThreadPoolExecutor(1) as pool,
    ):
        under_way = pool.submit(service.inspect, *_slow_uploads())
        time.sleep(0.1)
        start = time.perf_counter()
        assert httpx.get(f"{service.document['address']}/healthz", timeout=5).status_code == 200
        assert time.perf_counter() - start < 2
        assert not under_way.done()

        tell(service.process.pid)

        response = under_way.result()
        assert response.status_code == 200
        assert [entry["width"] for entry in response.json()["photos"]] == [4000] * 16
        assert service.process.wait(30) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{service.document['address']}/healthz")
    log = (tmp_path / "log").read_text()
    assert "there are no API keys" in log
    assert log.count("A JPEG that is needed at an eighth of its size is read by") == 1
    assert f"Serving {bundle.name} at {service.document['address']}" in log
    assert "Traceback" not in log
    assert "ERROR" not in log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_a_host_that_others_can_reach_is_refused(home: Path, bundle: ModelBundle, host: str) -> None:
    run = dentwatch("serve", "--host", host, "--port", "0", "--model", bundle.folder)
    assert run.returncode == 1
    assert "without API keys" in " ".join(run.stderr.split())


def test_a_port_that_is_taken_is_named(home: Path, bundle: ModelBundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = dentwatch("serve", "--port", str(port), "--model", bundle.folder)
    assert run.returncode == 1
    assert f"cannot bind to 127.0.0.1:{port}" in " ".join(run.stderr.split())
