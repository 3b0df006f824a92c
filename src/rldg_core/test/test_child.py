# SPDX-License-Identifier: Apache-2.0
"""A child ends with who started it, and hears what a shell's background job ignores."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

PARENT = """
import signal, subprocess, sys, time
from rldg_core.workers.child import tied_to_parent
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
program = "from signal import *; print(getsignal(2) == default_int_handler, SIGTERM in pthread_sigmask(0, []))"
subprocess.run([sys.executable, "-c", program], preexec_fn=tied_to_parent([signal.SIGTERM]))
child = subprocess.Popen(["sleep", "60"], preexec_fn=tied_to_parent([]))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_ends_with_its_parent_and_hears_signals() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "True False\n"
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait(10)
    end = time.monotonic() + 10
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
