"""Drift of errors: found when it is there, rarely when it is not."""

from __future__ import annotations

import numpy as np

from xbot_dagster.domain.learning.drift import detect


def test_grown_errors_are_found_near_their_change():
    rng = np.random.default_rng(1)
    errors = np.concatenate([rng.normal(0, 1, 300), rng.normal(0, 3, 200)])
    found = detect(errors)
    assert found.drifted
    assert found.since is not None
    assert 250 <= found.since <= 400
    assert found.memory == 500 - found.since
    assert found.after > 1.5 * found.before


def test_a_bias_is_drift_too():
    rng = np.random.default_rng(2)
    assert detect(np.concatenate([rng.normal(0, 1, 300), rng.normal(3, 1, 200)])).drifted


def test_steady_and_shrinking_errors_raise_nothing():
    rng = np.random.default_rng(3)
    alarms = sum(detect(rng.standard_t(4, 500)).drifted for _ in range(40))
    assert alarms <= 2
    assert not detect(np.concatenate([rng.normal(0, 3, 300), rng.normal(0, 1, 300)])).drifted


def test_little_constant_or_unknown_errors_raise_nothing():
    for errors in ([], [1.0] * 20, [0.0] * 500, [float("nan")] * 500):
        found = detect(errors)
        assert not found.drifted
        assert found.memory == len(errors)


def test_gaps_keep_positions():
    rng = np.random.default_rng(4)
    errors = np.concatenate([rng.normal(0, 1, 300), rng.normal(0, 4, 200)])
    gappy = np.full(1000, np.nan)
    gappy[::2] = errors
    found = detect(gappy)
    assert found.since is not None
    assert 500 <= found.since <= 800
