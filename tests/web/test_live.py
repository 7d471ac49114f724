"""Pages hear that something has changed and show it, and streams do not keep a service from ending."""

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from house import House
from running_service import serving

from dentwatch.records.model_bundle import ModelBundle

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_list_shows_what_comes_in_and_leaves_alone_what_somebody_types(
    house: House, visit: Callable[..., "Page"]
) -> None:
    house.inspect(vehicle_id="VIN-EARLIER")
    page = visit("/inspections", role="inspector")
    page.get_by_role("link", name="VIN-EARLIER").wait_for()
    page.get_by_label("Vehicle").fill("half a wor")
    house.inspect(("dent", 100, 100, 80, 80), vehicle_id="VIN-LATER")
    page.get_by_role("link", name="VIN-LATER").wait_for()
    assert page.get_by_label("Vehicle").input_value() == "half a wor"


def test_a_stream_says_that_something_changed_and_is_silent_otherwise(house: House) -> None:
    with house.service.client.stream("GET", "/live?topics=inspections", headers=house.headers("viewer")) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = _events(stream)
        first = next(events)  # how things stand
        house.inspect(vehicle_id="VIN-STREAM")
        assert next(events) != first


def test_what_was_missed_between_two_streams_is_said_at_once(house: House) -> None:
    path, headers = "/live?topics=inspections", house.headers("viewer")
    with house.service.client.stream("GET", path, headers=headers) as stream:
        known = next(_events(stream))
    house.inspect(vehicle_id="VIN-MISSED")
    with house.service.client.stream("GET", path, headers={**headers, "Last-Event-ID": known}) as stream:
        assert next(_events(stream)) != known


def test_a_service_with_an_open_stream_ends(bundle: ModelBundle, tmp_path: Path) -> None:
    with serving(bundle, tmp_path / "home", tmp_path / "log") as service:
        listening = threading.Event()

        def listen() -> None:
            with httpx.stream("GET", f"{service.document['address']}/live?topics=audit", timeout=60) as stream:
                for _ in stream.iter_lines():
                    listening.set()

        listener = threading.Thread(target=listen)
        listener.start()
        assert listening.wait(30)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0  # the stream alone would have held it for as long as it drains
        listener.join(10)
        assert not listener.is_alive()


def _events(stream: httpx.Response) -> Iterator[str]:
    """The ids of the events of a stream."""
    return (line.removeprefix("id: ") for line in stream.iter_lines() if line.startswith("id: "))
