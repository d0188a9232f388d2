"""Many small tests at once: shares are shares, winners win, noise does not."""

import numpy as np
import pytest

from xbot_dagster.domain.learning.headlines import PooledTests

MASK = np.array([[True, True, True], [True, True, False]])


def test_shares_sum_to_one_and_spare_arms_that_do_not_exist():
    tests = PooledTests(MASK, np.random.default_rng(0))
    tests.observe(np.full((2, 3), 50), np.array([[3, 1, 1], [0, 2, 0]]))
    shares = tests.allocate()
    assert np.allclose(shares.sum(1), 1)
    assert shares[1, 2] == 0


def test_before_any_impression_every_arm_is_alike():
    shares = PooledTests(MASK, np.random.default_rng(0)).allocate()
    assert np.allclose(shares[0], 1 / 3, atol=0.06)


def test_the_better_headline_gets_the_impressions():
    tests = PooledTests(MASK, np.random.default_rng(0))
    tests.observe(np.full((2, 3), 4000), np.array([[120, 60, 60], [60, 60, 0]]))
    shares = tests.allocate()
    assert shares[0, 0] > 0.95
    assert np.allclose(shares[1, :2], 0.5, atol=0.06)


def test_the_same_generator_gives_the_same_shares():
    def shares(seed: int) -> np.ndarray:
        tests = PooledTests(MASK, np.random.default_rng(seed))
        tests.observe(np.full((2, 3), 100), np.array([[5, 3, 2], [2, 3, 0]]))
        return tests.allocate()

    assert np.array_equal(shares(1), shares(1))


def test_impossible_counts_are_left_out():
    tests = PooledTests(MASK, np.random.default_rng(0))
    tests.observe(np.array([[10.0, np.nan, 10], [10, 10, 10]]), np.array([[50.0, 1, -1], [0, 0, 9]]))
    assert tests.shown.tolist() == [[0, 0, 0], [10, 10, 0]]
    assert np.isfinite(tests.allocate()).all()


def test_a_test_without_arms_is_a_defect():
    with pytest.raises(ValueError, match="at least one arm"):
        PooledTests(np.array([[True], [False]]), np.random.default_rng(0))
