# SPDX-License-Identifier: Apache-2.0
"""95 % intervals of rates: Wilson's, and of two paired ones Newcombe's.

Newcombe's is the square-and-add interval for paired proportions (Statistics in Medicine 17, 1998, 2635-2650, method
10), which puts Wilson's intervals of the two together.
"""

from __future__ import annotations

import math

from rldg_core.estimates import Z95


def wilson(successes: float, count: float) -> tuple[float, float]:
    """Of a rate; the counts may be means over repetitions, and so no whole numbers. Nothing known: (0, 1)."""
    if count == 0:
        return 0.0, 1.0
    rate, square = successes / count, Z95**2
    centre = (successes + square / 2) / (count + square)
    spread = max(count * rate * (1 - rate), 0.0)
    reach = Z95 * math.sqrt(spread + square / 4) / (count + square)
    low = centre - reach if successes > 0 else 0.0
    high = centre + reach if successes < count else 1.0
    return max(low, 0.0), min(high, 1.0)


def newcombe(
    both: float, only_first: float, only_second: float, neither: float, factor: float = 1.0
) -> tuple[float, float]:
    """Of a difference of two paired rates: the first minus a multiple of the second.

    Args:
        both: pairs in which both succeeded; it and the other counts may be means over repetitions.
        only_first: in which the first alone did.
        only_second: in which the second alone did.
        neither: in which none did.
        factor: of the second rate, 0 or more; 1 is Newcombe's own. Another one scales the second's reach, as the method
            of variance estimates recovery does (Zou and Donner, Statistics in Medicine 27, 2008, 1693-1702).
    """
    count = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    difference = (first - factor * second) / count
    down, up = _reach(first, count)
    other_down, other_up = (factor * reach for reach in _reach(second, count))
    spread = first * (count - first) * second * (count - second)
    excess = float(both * neither - only_first * only_second)
    if excess > 0:
        excess = max(excess - count / 2, 0.0)  # continuity
    correlation = excess / math.sqrt(spread) if spread > 0 else 0.0
    lower = math.sqrt(down**2 - 2 * correlation * down * other_up + other_up**2)
    upper = math.sqrt(up**2 - 2 * correlation * up * other_down + other_down**2)
    return difference - lower, difference + upper


def _reach(successes: float, count: float) -> tuple[float, float]:
    """How far Wilson's interval reaches below the rate, and above."""
    low, high = wilson(successes, count)
    return successes / count - low, high - successes / count
