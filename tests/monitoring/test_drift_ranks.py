"""Ranks of figures against a reference: uniform when nothing has changed, fair to ties, silent on what is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from dentwatch.monitoring.drift.ranks import MOST_VALUES, ReferenceRanks

FIGURES = st.floats(-1e6, 1e6, width=32)


@given(arrays(np.float64, st.tuples(st.integers(1, 30), st.just(3)), elements=FIGURES), st.data())
def test_a_figure_gets_the_mean_of_the_bins_that_it_may_be_in(reference, data):
    ranks = ReferenceRanks(reference)
    count = len(reference)
    table = ranks.by_place([np.arange(count + 1.0)[:, None]] * 3, missing=-1.0)[:, 0]
    old = st.sampled_from(sorted(reference.ravel()))
    seen = np.array(data.draw(st.lists(FIGURES | old | st.just(np.nan), min_size=3, max_size=3)))
    below, upto = (reference < seen).sum(axis=0), (reference <= seen).sum(axis=0)
    wanted = np.where(np.isnan(seen), -1.0, (below + upto) / 2)
    # Figures nearer to each other than a rounding of the column's range are one to the ranks.
    apart = np.abs(reference - seen).min(axis=0, where=reference != seen, initial=np.inf)
    told = np.isnan(seen) | (apart > 1e-9 * np.ptp(reference, axis=0).clip(1))
    assert table[ranks.places(seen[None])[0]][told] == pytest.approx(wanted[told])


def test_the_normal_figure_is_the_quantile_of_the_middle_of_the_bins():
    ranks = ReferenceRanks(np.array([[1.0], [2.0], [2.0], [4.0]]))
    seen = np.array([[0.0], [2.0], [3.0], [9.0], [np.nan]])
    middles = np.array([0.5, 2.5, 3.5, 4.5]) / 5
    assert ranks.normal[ranks.places(seen)[:, 0]] == pytest.approx([*ndtri(middles), 0.0])


def test_ranks_of_new_figures_of_the_same_world_are_uniform():
    rng = np.random.default_rng(1)
    ranks = ReferenceRanks(rng.gamma(2.0, size=(2000, 1)))
    table = ranks.by_place([(np.arange(2001.0)[:, None] + 0.5) / 2001], missing=0.0)
    found = table[ranks.places(rng.gamma(2.0, size=(20_000, 1))).ravel(), 0]
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.03)


def test_a_large_reference_is_thinned_evenly():
    rng = np.random.default_rng(2)
    ranks = ReferenceRanks(rng.normal(size=(10 * MOST_VALUES, 1)))
    assert ranks.counts.tolist() == [MOST_VALUES]
    assert ranks.normal[ranks.places(np.array([[-2.0], [0.0], [2.0]]))[:, 0]] == pytest.approx([-2, 0, 2], abs=0.05)
