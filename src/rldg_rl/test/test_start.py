# SPDX-License-Identifier: Apache-2.0
"""What a process imports before it can begin."""

from __future__ import annotations

import subprocess
import sys

import pytest

ONLY_AT_AN_END = ("matplotlib", "scipy.interpolate", "scipy.stats", "torch")


@pytest.mark.parametrize("module", ["rldg_rl.actor_node", "rldg_rl.evaluation.evaluator"])
def test_a_start_waits_for_nothing_that_it_does_not_need(module: str) -> None:
    program = f"import sys, {module}; print(*(m for m in {ONLY_AT_AN_END} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
