"""The schedule: warm-up, cosine, the limit of minutes, plain epochs at the end, and going on after a kill."""

import math

import pytest

from dentwatch.training import schedule as schedules
from dentwatch.training.run_settings import RunSettings
from dentwatch.training.schedule import Schedule


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(schedules, "time", clock)
    return clock


def _rates(schedule: Schedule, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(schedule.rate())
        schedule.step += 1
    return rates


def test_the_rate_rises_linearly_then_falls_as_a_cosine_to_two_percent() -> None:
    settings = RunSettings(epochs=20, warmup_epochs=2.0)
    rates = _rates(Schedule(settings, 10), 200)
    cosine = [0.02 + 0.98 * (1 + math.cos(math.pi * step / 200)) / 2 for step in range(200)]
    assert rates[:20] == pytest.approx([cosine[step] * (step + 1) / 20 for step in range(20)])
    assert rates[20:] == pytest.approx(cosine[20:])
    assert max(rates) == pytest.approx(rates[19], rel=0.03)
    assert rates[-1] == pytest.approx(0.02, abs=1e-3)


def test_without_warm_up_the_first_step_is_at_the_peak() -> None:
    assert Schedule(RunSettings(epochs=5, warmup_epochs=0.0), 10).rate() == 1.0


def test_a_limit_of_minutes_bends_the_schedule_to_end_in_time(clock: Clock) -> None:
    schedule = Schedule(RunSettings(epochs=1000, minutes=10.0, warmup_epochs=0.0), 10)
    schedule.start()
    schedule.step = 5
    assert schedule.progress == pytest.approx(5 / 10_000)
    clock.now += 5 * 60
    assert schedule.progress == pytest.approx(0.5)
    assert schedule.rate() == pytest.approx(0.02 + 0.98 / 2)
    clock.now += 60 * 60
    assert schedule.progress == 1.0
    assert schedule.rate() == pytest.approx(0.02)


def test_a_run_with_a_limit_ends_as_close_to_it_as_whole_epochs_allow(clock: Clock) -> None:
    schedule = Schedule(RunSettings(epochs=1000, minutes=10.0), 10)
    schedule.start()
    ended = []
    for _ in range(4):  # epochs of three minutes: three of them end at 9 minutes, four at 12
        schedule.begin_epoch()
        clock.now += 180
        ended.append(schedule.used_up())
    assert ended == [False, False, True, True]


def test_validations_count_among_the_minutes(clock: Clock) -> None:
    schedule = Schedule(RunSettings(epochs=1000, minutes=10.0), 10)
    schedule.start()
    ended = []
    for _ in range(4):  # two minutes, then one to validate: three of them end at 9 minutes, four at 12
        schedule.begin_epoch()
        clock.now += 120
        ended.append(schedule.used_up())
        schedule.begin_validation()
        clock.now += 60
        schedule.end_validation()
    assert ended == [False, False, True, True]


def test_without_a_limit_no_epoch_is_the_last_by_time(clock: Clock) -> None:
    schedule = Schedule(RunSettings(epochs=3), 10)
    schedule.start()
    schedule.begin_epoch()
    clock.now += 1e9
    assert not schedule.used_up()


@pytest.mark.parametrize(("plain", "mosaics"), [(0.0, 10), (0.3, 7), (1.0, 0)])
def test_the_last_share_of_the_epochs_is_without_mosaic(plain: float, mosaics: int) -> None:
    schedule = Schedule(RunSettings(epochs=10, plain_epochs=plain), 4)
    allowed = []
    for _ in range(10):
        allowed.append(schedule.may_mosaic())
        schedule.step += 4
    assert allowed == [True] * mosaics + [False] * (10 - mosaics)


def test_a_restored_schedule_goes_on_where_it_was(clock: Clock) -> None:
    settings = RunSettings(epochs=10, minutes=30.0)
    whole, before = Schedule(settings, 10), Schedule(settings, 10)
    whole.start()
    before.start()
    whole.step = before.step = 40
    clock.now += 600
    state = before.state()
    assert state == {"step": 40, "seconds": 600.0}
    after = Schedule(settings, 10)
    after.restore(state)
    assert (after.rate(), after.progress) == (whole.rate(), whole.progress)
    after.start()
    clock.now += 300
    assert (after.seconds, after.rate()) == (whole.seconds, whole.rate())
