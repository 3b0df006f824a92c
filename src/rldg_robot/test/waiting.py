# SPDX-License-Identifier: Apache-2.0
"""Waiting for what a thread or another process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120
"""[s] for what takes a few: longer is a hang, however busy the machine"""


def until(condition: Callable[[], object]) -> None:
    """Poll until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE} s"
        time.sleep(0.01)
