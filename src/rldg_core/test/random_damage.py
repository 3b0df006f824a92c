# SPDX-License-Identifier: Apache-2.0
"""A file's bytes as a bad disk or a torn copy leaves them; the same seed, the same damage."""

from __future__ import annotations

import numpy as np


def randomly_damaged(
    data: bytes, random: np.random.Generator, turn: int, longest: int = 50
) -> bytes:
    """One to five bytes are others; every third time the end is missing too, every third something is put in between.

    Args:
        data: sound bytes.
        random: what the damage is drawn from.
        turn: which of the three it is.
        longest: no piece that is put in between is so long [bytes].
    """
    damaged = bytearray(data)
    for place in random.integers(0, len(damaged), random.integers(1, 6)):
        damaged[place] = random.integers(256)
    if turn % 3 == 1:
        del damaged[random.integers(len(damaged)) :]
    elif turn % 3 == 2:
        place = int(random.integers(len(damaged)))
        damaged[place:place] = random.bytes(int(random.integers(1, longest)))
    return bytes(damaged)
