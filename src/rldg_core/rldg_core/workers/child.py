# SPDX-License-Identifier: Apache-2.0
"""A child process that does not outlive the one that started it, however that ends."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable, Iterable

PR_SET_PDEATHSIG = 1


def tied_to_parent(unblocked: Iterable[int]) -> Callable[[], None]:
    """What a child does before its program (`preexec_fn`): die with this process, and hear signals again.

    A process that is killed with SIGKILL stops no child. Without this its children would go on unseen and hold what
    the next start wants: the robot, the DDS domain, the run. They get SIGKILL, since one that hangs ignores the rest,
    and a run survives it by design. This process has to have one thread.

    Args:
        unblocked: signals that this process blocks while it starts the child.
    """
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent, heard = os.getpid(), tuple(unblocked)

    def before_program() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores it
        signal.pthread_sigmask(signal.SIG_UNBLOCK, heard)

    return before_program
