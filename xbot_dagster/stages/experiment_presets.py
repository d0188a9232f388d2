"""Where the API finds the experiments that exist; they are data of `domain/learning/experiments.py`."""

from xbot_dagster.domain.learning.experiments import PRESETS

__all__ = ["PRESETS"]
