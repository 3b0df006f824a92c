# SPDX-License-Identifier: Apache-2.0
"""The claim on a ROS domain: two stacks in one domain would drive each other's robot."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rldg_bringup.arguments import StackError
from rldg_bringup.machines import Machine


def claim_domain(parts: Sequence[Machine]) -> None:
    """Hold those parts of the ROS domain on this machine, for this user, until this process ends.

    Raises:
        StackError: another stack holds one of them.
    """
    domain = os.environ.get("ROS_DOMAIN_ID", "0")
    for part in parts:
        name = f"rldg-{os.getuid()}-domain-{domain}-{part.value}.lock"
        lock = os.open(Path(tempfile.gettempdir(), name), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise StackError(
                f"another stack runs in ROS domain {domain} on this machine, and the two would drive each "
                "other's robot: stop it first, or give this one a domain of its own, such as "
                "ROS_DOMAIN_ID=1 ./rldg launch ..."
            ) from None
