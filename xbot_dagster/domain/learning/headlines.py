"""Many small tests at once: beta-binomial Thompson sampling whose prior is pooled over all tests, cooled.

Used where variants of one text compete for the same impressions (headline tests, hooks of one post): each test has few
arms and no context, so a conjugate posterior takes the place of the count model; shares are Monte-Carlo pick shares as
every other propensity is.
"""

from __future__ import annotations

import numpy as np

from xbot_dagster.domain.learning.propensity import MIN_DRAWS

ARM_SPREAD = 0.2  # coefficient of variation between arms of one test; real randomised headline tests show .16 to .2
TEST_SPREAD = 0.7  # coefficient of variation between tests of one account
TEMPERATURE = 0.1  # of the posterior variance; a test ends after a few thousand impressions, too soon for full width
BLOCK = 64  # tests sampled at a time, so that memory does not grow with their number


class PooledTests:
    """Allocation shares over tests x arms from clicks per impression seen so far."""

    def __init__(
        self,
        mask: np.ndarray,
        rng: np.random.Generator,
        arm_spread: float = ARM_SPREAD,
        temperature: float = TEMPERATURE,
        draws: int = MIN_DRAWS,
    ) -> None:
        """`mask`: bool (tests, arms), True where the arm exists; each test needs at least one."""
        if mask.ndim != 2 or not mask.any(1).all():
            raise ValueError("expected a mask of shape (tests, arms) with at least one arm in every test")
        self.mask, self.rng = mask.astype(bool), rng
        self.arm_spread, self.temperature, self.draws = arm_spread, temperature, draws
        self.shown, self.clicks = np.zeros(mask.shape), np.zeros(mask.shape)

    def observe(self, shown: np.ndarray, clicks: np.ndarray) -> None:
        """Add impressions and clicks, shape (tests, arms). Rows with more clicks than impressions are left out."""
        usable = np.isfinite(shown) & np.isfinite(clicks) & (clicks >= 0) & (clicks <= shown) & self.mask
        self.shown += np.where(usable, shown, 0)
        self.clicks += np.where(usable, clicks, 0)

    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and (uncooled) standard deviation of every arm's click rate, shape (tests, arms)."""
        overall = (self.clicks.sum() + 0.5) / (self.shown.sum() + 1)
        spread_between = (TEST_SPREAD * overall) ** 2
        rate = np.divide(self.clicks, self.shown, out=np.zeros_like(self.clicks), where=self.shown > 0)
        noise = np.divide(
            overall * (1 - overall), self.shown, out=np.full(self.shown.shape, np.inf), where=self.shown > 0
        )
        # Every arm speaks for its test with the precision of its own rate: favouring one arm must not bias the test.
        precision = np.where(self.mask, 1 / ((self.arm_spread * overall) ** 2 + noise), 0.0)
        level = (precision * rate).sum(1) + overall / spread_between
        level = np.clip(level / (precision.sum(1) + 1 / spread_between), 1e-9, 1 - 1e-9)[:, None]
        strength = np.maximum((1 - level) / (level * self.arm_spread**2) - 1, 1e-3)
        mean = (strength * level + self.clicks) / (strength + self.shown)
        return mean, np.sqrt(mean * (1 - mean) / (strength + self.shown + 1))

    def allocate(self) -> np.ndarray:
        """Share of the next impressions per arm, shape (tests, arms); rows sum to 1, zero on arms that do not exist."""
        mean, sd = self.posterior()
        mean = np.where(self.mask, mean, -np.inf)
        noise = self.rng.standard_normal((self.draws, self.mask.shape[1])) * self.temperature**0.5
        shares = np.empty(self.mask.shape)
        for start in range(0, len(mean), BLOCK):
            at = slice(start, start + BLOCK)
            best = (mean[at] + noise[:, None, :] * sd[at]).argmax(2)
            for arm in range(self.mask.shape[1]):
                shares[at, arm] = (best == arm).mean(0)
        return shares
