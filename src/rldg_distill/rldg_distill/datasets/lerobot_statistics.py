# SPDX-License-Identifier: Apache-2.0
"""The statistics that LeRobot keeps of every feature, for every episode and for all of them.

LeRobot estimates quantiles from histograms and samples the images; here every number and every pixel counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
Statistics = dict[str, list[Any]]
"""min, max, mean, std, count and the quantiles, as JSON has them"""


def feature_statistics(values: np.ndarray) -> Statistics:
    """Of a feature that is a number or a vector.

    Args:
        values: (N,) or (N, D); min and max keep their type, the rest is computed in float64.

    Returns:
        Lists of D numbers; `count` is [N].
    """
    values = values.reshape(len(values), -1)
    exact = values.astype(np.float64)
    quantiles = np.quantile(exact, list(QUANTILES.values()), axis=0)
    rows = {
        "min": values.min(0),
        "max": values.max(0),
        "mean": exact.mean(0),
        "std": exact.std(0),
        "count": np.array([len(values)]),
        **dict(zip(QUANTILES, quantiles, strict=True)),
    }
    return {name: row.tolist() for name, row in rows.items()}


def describe_images(levels: np.ndarray, count: int) -> Statistics:
    """Of an image feature, over all its pixels.

    Args:
        levels: (3, 256) how often every level occurs in red, green and blue.
        count: number of images.

    Returns:
        (3, 1, 1) of levels in [0, 1]; `count` is [count].
    """
    scale = np.arange(256) / 255
    share = levels / levels.sum(1, keepdims=True)
    mean = share @ scale
    reached = levels.cumsum(1)
    rows = {
        "min": scale[(reached > 0).argmax(1)],
        "max": scale[(reached == reached[:, -1:]).argmax(1)],
        "mean": mean,
        "std": np.sqrt((share * (scale - mean[:, None]) ** 2).sum(1)),
        **{
            name: scale[(reached >= part * reached[:, -1:]).argmax(1)]
            for name, part in QUANTILES.items()
        },
    }
    return {name: row.reshape(3, 1, 1).tolist() for name, row in rows.items()} | {"count": [count]}
