# SPDX-License-Identifier: Apache-2.0
"""ROS domains for tests: nobody else on this machine uses one meanwhile."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOMAINS = range(60, 100)


@contextmanager
def free_domain(first: int) -> Iterator[int]:
    """Hold a domain. Suites of other checkouts run beside this one, so files tell who has which.

    Args:
        first: where the search begins; tests that begin apart do not meet what another may have left running.
    """
    for i in range(len(DOMAINS)):
        number = DOMAINS[(first + i) % len(DOMAINS)]
        with Path(tempfile.gettempdir(), f"ros_domain_{number}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    raise RuntimeError(f"all ROS domains of {DOMAINS} are in use")
