"""The load of a running service is what the operating system and the service's own counters say of it."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil
import pytest
from kills import workers_of
from receiver import until
from rectangles import as_photo, rectangle_graph, write_bundle
from running_service import Service, serving, upload

from dentwatch.monitoring.kpis import load
from dentwatch.monitoring.kpis.load import LoadSample, LoadSampler
from dentwatch.monitoring.kpis.totals import Period
from dentwatch.records.database import Database
from dentwatch.serving.memory import proportional
from dentwatch.serving.metrics_folder import VARIABLE

NOBODY = 0
INSPECTIONS, PHOTOS = 20, 2
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds: what the system counts processor time in
PHOTO = as_photo(np.random.default_rng(1).integers(0, 120, (480, 640, 3), np.uint8))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("load")
    bundle = write_bundle(folder / "model", rectangle_graph())
    with serving(bundle, folder / "home", folder / "log", workers=2) as running:
        yield running


@pytest.fixture(autouse=True)
def _reads_what_the_workers_count(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, psutil.Process(workers_of(service.process.pid)[0]).environ()[VARIABLE])


def submit(service: Service) -> None:
    """Inspections, one after the other."""
    for _ in range(INSPECTIONS):
        answer = service.inspect(*(upload(f"{number}.png", PHOTO) for number in range(PHOTOS)))
        assert answer.status_code == 200


def measured(sampler: LoadSampler) -> LoadSample:
    sample = sampler.sample()
    assert sample is not None
    return sample


def cpu_seconds(service: Service) -> float:
    times = [process.cpu_times() for process in psutil.Process(service.process.pid).children(recursive=True)]
    return sum(one.user + one.system for one in times)


def test_a_sample_tells_photos_requests_processor_time_and_memory_of_the_workers(service: Service) -> None:
    sampler = LoadSampler(service.process.pid, NOBODY)
    idle = cpu_seconds(service)
    assert sampler.sample() is None  # there is nothing before it
    begun = datetime.now(UTC)
    submit(service)
    sample = measured(sampler)
    assert sample.photos == INSPECTIONS * PHOTOS
    assert 0 < sample.in_flight <= 1  # one client waits for one answer at a time
    spent = cpu_seconds(service) - idle
    assert 0 < sample.cpu_seconds < spent + TICK / 2  # both are whole ticks, summed in another order
    assert begun <= sample.at <= datetime.now(UTC)
    resident = [psutil.Process(pid).memory_info().rss for pid in workers_of(service.process.pid)]
    assert len(resident) == 2
    assert sample.resident_bytes > sum(resident) / 2


def test_while_no_photo_is_looked_at_there_is_no_sample(service: Service) -> None:
    sampler = LoadSampler(service.process.pid, NOBODY)
    sampler.sample()
    for path in ("/metrics", "/v1/inspections"):
        assert service.client.get(path).status_code == 200
    assert sampler.sample() is None
    submit(service)
    assert measured(sampler).photos == INSPECTIONS * PHOTOS


def test_the_process_that_watches_is_not_part_of_the_load(service: Service) -> None:
    workers = workers_of(service.process.pid)
    every, others = (LoadSampler(service.process.pid, besides) for besides in (NOBODY, workers[0]))
    for sampler in (every, others):
        sampler.sample()
    submit(service)
    whole, part = measured(every), measured(others)
    assert whole.photos == part.photos
    assert whole.resident_bytes - part.resident_bytes > proportional(psutil.Process(workers[0])) / 2


def test_a_worker_that_is_killed_and_replaced_takes_no_count_with_it(service: Service) -> None:
    sampler = LoadSampler(service.process.pid, NOBODY)
    submit(service)
    sampler.sample()
    before = workers_of(service.process.pid)
    submit(service)
    os.kill(before[0], signal.SIGKILL)
    until(lambda: set(workers_of(service.process.pid)) - set(before), 60)
    submit(service)
    sample = measured(sampler)
    assert sample.photos == 2 * INSPECTIONS * PHOTOS
    assert sample.cpu_seconds > 0


def test_what_was_measured_is_kept_as_it_was(service: Service, tmp_path: Path) -> None:
    sampler = LoadSampler(service.process.pid, NOBODY)
    sampler.sample()
    submit(service)
    sample = measured(sampler)
    today = sample.at.date()
    with closing(Database(f"sqlite:///{tmp_path / 'd.db'}")) as database:
        with database.writing() as connection:
            load.keep(connection, sample)
        with database.reading() as connection:
            assert load.within(connection, Period.last(1, today)) == [sample]
