# SPDX-License-Identifier: Apache-2.0
"""Means and ratios of means over episodes, with 95 % intervals by the delta method.

A ratio of means R = mean(x) / mean(y) has to first order the variance of the mean of its influence values
(x - R y) / mean(y) (Cochran, Sampling Techniques, 3rd edition 1977, section 6.3); a mean is a ratio with y = 1. Of
paired samples the influence values are subtracted pair by pair. The intervals are value ± 1.96 standard errors: closed
formulas, so the same episodes always give the same interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z95 = 1.959963984540054
"""97.5 % of a standard normal distribution lie below it"""


@dataclass(frozen=True)
class Estimate:
    """A number and where it lies with 95 % confidence."""

    value: float
    ci95: tuple[float, float] | None
    """None: one episode shows no spread"""


def mean_estimate(values: np.ndarray) -> Estimate | None:
    """Mean of some values (N,); None where there are none."""
    return ratio_estimate(values, np.ones(len(values))) if len(values) else None


def ratio_estimate(numerators: np.ndarray, denominators: np.ndarray) -> Estimate:
    """Mean of the numerators (N,) over the mean of the denominators (N,), N ≥ 1."""
    value, influence = _ratio(numerators, denominators)
    return _estimate(value, influence)


def ratio_difference(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> Estimate:
    """First minus second ratio of paired samples, each (numerators (N,), denominators (N,)), N ≥ 1."""
    (value, influence), (other_value, other_influence) = _ratio(*first), _ratio(*second)
    return _estimate(value - other_value, influence - other_influence)


def _ratio(numerators: np.ndarray, denominators: np.ndarray) -> tuple[float, np.ndarray]:
    """The ratio, and the influence value (N,) of every sample."""
    below = float(np.mean(denominators))
    value = float(np.mean(numerators)) / below
    return value, (numerators - value * denominators) / below


def _estimate(value: float, influence: np.ndarray) -> Estimate:
    count = len(influence)
    if count < 2:
        return Estimate(value, None)
    reach = Z95 * float(np.std(influence, ddof=1)) / count**0.5
    return Estimate(value, (value - reach, value + reach))
