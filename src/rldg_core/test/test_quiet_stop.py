# SPDX-License-Identifier: Apache-2.0
"""A stop is no traceback, however early it comes; any other error is one."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["rldg_robot", "rldg_rl", "rldg_distill", "rldg_experiments"])
def test_a_stop_during_the_imports_is_quiet(package: str) -> None:
    def ended(error: str) -> tuple[int, str]:
        words = [sys.executable, "-c", f"import {package}; raise {error}"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr

    assert ended("KeyboardInterrupt") == (-signal.SIGINT, "")
    code, said = ended("ValueError('odd')")
    assert code == 1 and "Traceback" in said and "odd" in said
