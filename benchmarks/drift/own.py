"""Dentwatch's detector on many streams. A vehicle always pays the same, so what it pays is computed once."""

import time
from dataclasses import dataclass

import numpy as np
from measuring import MeasuredPhotos
from numpy.typing import NDArray
from outcome import Outcome
from streams import CLEAN_FIRST, DARK_SHARE, GRADUAL_UPDATES, Scenario, Split, gradual_level, scenarios, splits

from dentwatch.data.statistics import STATISTIC_NAMES
from dentwatch.monitoring.drift.book import Unit
from dentwatch.monitoring.drift.detector import SETTLING, DriftDetector
from dentwatch.monitoring.drift.odds import Odds

ONE_IN = 1_000_000
Paid = tuple[NDArray[np.float64], NDArray[np.float64]]
"""E-values ``(units, B)`` and mean figures ``(units, J)`` of the held-out vehicles or photos under one drift."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: random splits, streams per drift and split, clean updates per split."""

    splits: int
    repetitions: int
    clean: int


def dentwatch(name: str, photos: MeasuredPhotos, unit: Unit, effort: Effort) -> Outcome:
    """False alarms, delays and causes over random splits by vehicle."""
    outcome = Outcome(name)
    for number, split in enumerate(splits(photos, effort.splits)):
        rng = np.random.default_rng(60_000 + number)
        owners = [str(vehicle) for vehicle in photos.vehicles[split.reference]]
        odds = Odds(photos.clean[split.reference], owners, STATISTIC_NAMES, unit)
        units = [np.array([photo]) for photo in split.held_out] if unit == "photo" else split.vehicles
        paid = {drift: _paid(odds, figures, units) for drift, figures in photos.drifted.items()}
        _count_false_alarms(outcome, odds, paid[""], effort.clean, rng)
        for _ in range(effort.repetitions):
            _one_prefix(outcome, odds, paid, rng)
        if number == 0:
            outcome.microseconds = _microseconds(odds, split)
    return outcome


def _paid(odds: Odds, figures: NDArray[np.float64], units: list[NDArray[np.int64]]) -> Paid:
    found = [odds.of(figures[unit]) for unit in units]
    return np.stack([one[0] for one in found]), np.stack([one[1] for one in found])


def _count_false_alarms(outcome: Outcome, odds: Odds, paid: Paid, clean: int, rng: np.random.Generator) -> None:
    detector, found = DriftDetector(None, ONE_IN, odds=odds), 0
    for number in rng.integers(len(paid[0]), size=clean):
        if detector.pay(paid[0][number], paid[1][number]).alarms:
            found += 1
            detector = DriftDetector(None, ONE_IN, odds=odds)
    outcome.count(clean, found)


def _one_prefix(outcome: Outcome, odds: Odds, paid: dict[str, Paid], rng: np.random.Generator) -> None:
    """2,000 clean updates, and from there every drift in turn."""
    detector = DriftDetector(None, ONE_IN, odds=odds)
    for number in rng.integers(len(paid[""][0]), size=CLEAN_FIRST):
        detector.pay(paid[""][0][number], paid[""][1][number])
    state = detector.state()
    for scenario in scenarios():
        if scenario.name == "gradual" and gradual_level(0.1) not in paid:
            continue  # the levels are measured on real photos only
        detector.restore(state)
        delay, causes = _until_settled(detector, scenario, paid, rng)
        outcome.delays[scenario.name].append(delay)
        outcome.right[scenario.name].append(causes == [scenario.cause])


def _until_settled(
    detector: DriftDetector, scenario: Scenario, paid: dict[str, Paid], rng: np.random.Generator
) -> tuple[float, list[str]]:
    """Updates from the onset to the alarm, and the causes named after the settling time."""
    delay, reading = np.inf, None
    for step in range(scenario.longest + SETTLING):
        e_values, figures = paid[_drift_at(scenario, step, rng)]
        number = rng.integers(len(e_values))
        reading = detector.pay(e_values[number], figures[number])
        if reading.alarms and delay == np.inf:
            delay = step + 1
        if step + 1 >= delay + SETTLING:
            break
    return delay, [alarm.cause for alarm in reading.alarms if alarm.primary] if reading else []


def _drift_at(scenario: Scenario, step: int, rng: np.random.Generator) -> str:
    if scenario.name == "30% dark":
        return "-2 stops" if rng.random() < DARK_SHARE else ""
    if scenario.name == "gradual":
        return gradual_level(min(1.0, step / GRADUAL_UPDATES))
    return scenario.name


def _microseconds(odds: Odds, split: Split) -> float:
    """The median time of an update with one photo, in microseconds."""
    detector, spent = DriftDetector(None, ONE_IN, odds=odds), []
    for photo in np.resize(split.held_out, 3000):
        start = time.perf_counter()
        detector.update(split.photos.clean[photo : photo + 1])
        spent.append(time.perf_counter() - start)
    return float(np.median(spent) * 1e6)
