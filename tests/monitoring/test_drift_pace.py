"""Whether a drift came suddenly or gradually, told from the last figures."""

import numpy as np
import pytest
from numpy.typing import NDArray

from dentwatch.monitoring.drift.onset import REMEMBERED, Recent, rise_over_step

RNG_SEEDS = range(40)


def recent(figures: NDArray[np.float64]) -> Recent:
    """What is remembered of a stream of one statistic, ``(n,)``, in units of its own: 100 ± 10."""
    kept = Recent(np.array([100.0]), np.array([0.1]))
    for number, figure in enumerate(figures, start=1):
        kept.remember(number, np.array([100.0 + 10.0 * figure]))
    return kept


def paces(shape: NDArray[np.float64], onset: int) -> list[str]:
    """The pace of ``shape`` under noise, over many streams, for a drift that is thought to begin at ``onset``."""
    streams = (np.random.default_rng(seed).normal(size=len(shape)) + shape for seed in RNG_SEEDS)
    return [recent(stream).pace(onset, len(shape), 0) for stream in streams]


@pytest.mark.parametrize("size", [-3.0, -1.0, 1.0, 2.0])
def test_a_step_is_sudden(size):
    shape = np.where(np.arange(300) < 240, 0.0, size)
    assert paces(shape, 241).count("sudden") >= 0.9 * len(RNG_SEEDS)


@pytest.mark.parametrize("per_update", [-0.02, 0.01, 0.03])
def test_a_rise_is_gradual_even_where_its_onset_is_put_late(per_update):
    shape = per_update * np.maximum(np.arange(400) - 260, 0)
    late = int(np.flatnonzero(np.abs(shape) > 0.3)[0]) + 1
    assert paces(shape, late).count("gradual") >= 0.6 * len(RNG_SEEDS)


def test_a_drift_of_which_the_beginning_is_forgotten_is_gradual():
    assert recent(np.full(REMEMBERED + 200, 0.5)).pace(100, REMEMBERED + 200, 0) == "gradual"


def test_a_perfect_step_and_a_perfect_rise_are_told_apart():
    step = np.repeat([0.0, 2.0], 50)
    rise = np.maximum(np.arange(100) - 49.0, 0)
    assert rise_over_step(step) < 0 < rise_over_step(rise)
    assert rise_over_step(np.concatenate([rise, [np.nan] * 10])) == pytest.approx(rise_over_step(rise))
    assert rise_over_step(np.zeros(100)) == 0
    assert rise_over_step(np.array([1.0, 2.0])) == 0
