"""The drifting count model: agrees with a public library where both apply, forgets toward the prior, survives writing down."""

import json

import numpy as np
import pytest

from xbot_dagster.domain.learning.coefficients import BlockPrior, PooledLevel, Prior
from xbot_dagster.domain.learning.glm import DriftingCounts

BLOCKS = {
    "base": BlockPrior(1.0),
    "arm": BlockPrior(0.5, correlation=0.6, retention=0.9),
    "cell": BlockPrior(0.3),
}


def model(metrics: int = 1, dispersion: float = 1e-9, **levels: PooledLevel) -> DriftingCounts:
    found = DriftingCounts(
        Prior(BLOCKS, {(name,): level for name, level in levels.items()}), metrics, [dispersion] * metrics
    )
    found.ensure([("base",), ("arm", "a"), ("arm", "b")])
    return found


def rows(names: list[str]) -> list[dict[tuple[str, ...], float]]:
    return [{("base",): 1.0, ("arm", name): 1.0} for name in names]


def test_without_dispersion_the_posterior_is_that_of_bayesianbandits():
    bayesianbandits = pytest.importorskip("bayesianbandits")
    rng = np.random.default_rng(0)
    names = [str(name) for name in rng.choice(["a", "b"], 40)]
    exposure = rng.integers(5, 40, 40).astype(float)
    counts = rng.poisson(exposure * np.where(np.array(names) == "a", 0.3, 0.6))

    unit = {"base": BlockPrior(1.0), "arm": BlockPrior(1.0)}
    ours = DriftingCounts(Prior(unit), 1, [1e-9])
    ours.ensure([("base",), ("arm", "a"), ("arm", "b")])
    ours.observe(rows(names), counts[:, None].astype(float), exposure)

    features = np.column_stack([np.ones(40), np.array(names) == "a", np.array(names) == "b"]).astype(float)
    library = bayesianbandits.BayesianGLM(
        alpha=1.0, link="log", approximator=bayesianbandits.LaplaceApproximator(n_iter=50)
    )
    library.fit(features, counts / exposure, sample_weight=exposure)  # its way of saying exposure
    assert np.allclose(ours.mean, library.coef_, atol=1e-4)
    upper = np.triu(np.asarray(library.cov_inv_))  # the library keeps one triangle of its precision matrix
    assert np.allclose(ours.cov, np.linalg.inv(upper + np.triu(upper, 1).T), atol=1e-4)


def test_a_metric_that_was_measured_informs_one_that_was_not():
    found = model(metrics=2)
    found.observe(rows(["a"] * 30), np.column_stack([np.full(30, 30.0), np.full(30, np.nan)]), np.full(30, 10.0))
    arm = found.index[("arm", "a")] * 2
    assert found.mean[arm] > 0.2
    assert 0.3 * found.mean[arm] < found.mean[arm + 1] < found.mean[arm]  # by the correlation of the block


def test_rows_without_any_measurement_change_nothing():
    found, fresh = model(), model()
    found.observe(rows(["a", "b"]), np.full((2, 1), np.nan), np.ones(2))
    assert np.array_equal(found.mean, fresh.mean)
    assert np.allclose(found.cov, fresh.cov)


def test_forgetting_returns_to_the_prior_and_only_where_the_block_forgets():
    found = model()
    found.advance(0.0)
    found.observe(rows(["a"] * 50), np.full((50, 1), 20.0), np.full(50, 5.0))
    learned, base = found.mean[1], found.mean[0]
    found.advance(1.0)
    assert found.mean[1] == pytest.approx(0.9 * learned)
    assert found.mean[0] == base
    found.advance(200.0)
    assert found.mean[1] == pytest.approx(0, abs=1e-6)
    assert found.cov[1, 1] == pytest.approx(0.25, rel=1e-6)
    assert found.cov[0, 0] < 0.5


def test_a_clock_that_goes_back_changes_nothing():
    found = model()
    found.advance(10.0)
    before = found.cov.copy()
    found.advance(3.0)
    assert found.time == 10.0
    assert np.array_equal(found.cov, before)


def test_over_dispersed_counts_teach_less():
    calm, wild = model(dispersion=1e-9), model(dispersion=2.0)
    for found in (calm, wild):
        found.observe(rows(["a"] * 10), np.full((10, 1), 50.0), np.full(10, 25.0))
    assert wild.cov[1, 1] > calm.cov[1, 1]


def test_impossible_counts_leave_finite_numbers():
    found = model()
    found.observe(rows(["a"] * 3), np.array([[1e9], [0.0], [1e6]]), np.array([1.0, 1e12, 1.0]))
    assert np.isfinite(found.mean).all()
    assert np.isfinite(found.cov).all()
    assert (np.diag(found.cov) > 0).all()


def test_pending_rows_narrow_the_posterior_and_leave_its_mean():
    found = model()
    mean, before = found.mean.copy(), found.cov[1, 1]
    found.expect(rows(["a"] * 20), 10.0)
    assert np.array_equal(found.mean, mean)
    assert found.cov[1, 1] < before


def test_a_dropped_level_is_marginalised_out_and_starts_over():
    found = model()
    found.observe([{("base",): 1.0, ("cell", "a", "x"): 1.0}] * 20, np.full((20, 1), 30.0), np.full(20, 10.0))
    keep = [found.index[("base",)], found.index[("arm", "b")]]
    expected = found.cov[np.ix_(keep, keep)]
    found.drop([("cell", "a", "x"), ("arm", "a")])
    assert found.keys == [("base",), ("arm", "b")]
    assert np.array_equal(found.cov, expected)
    found.ensure([("cell", "a", "x")])
    assert found.cov[2, 2] == pytest.approx(0.09)


def test_written_down_and_read_back_it_is_the_same_to_the_last_bit():
    found = model(metrics=2, dispersion=0.5)
    for day in range(4):
        found.advance(float(day))
        found.observe(rows(["a", "b", "a"]), np.arange(6.0).reshape(3, 2) + day, np.array([1.0, 2.0, 3.0]))
    read = DriftingCounts.from_state(json.loads(json.dumps(found.state())), found.prior, 2)
    assert read.keys == found.keys
    assert read.time == found.time
    assert np.array_equal(read.mean, found.mean)
    assert np.array_equal(read.cov, found.cov)
    assert np.array_equal(read.cov, read.cov.T)


@pytest.mark.parametrize("damage", [{"mean": [0.0]}, {"covariance": "AAAA"}, {"mean": [float("nan")] * 3}])
def test_a_posterior_whose_parts_do_not_fit_is_refused(damage):
    found = model()
    with pytest.raises(ValueError):
        DriftingCounts.from_state({**found.state(), **damage}, found.prior, 1)
