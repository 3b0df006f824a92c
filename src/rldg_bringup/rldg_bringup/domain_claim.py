# SPDX-License-Identifier: Apache-2.0
"""The claim on a ROS domain: two stacks in one domain would drive each other's robot.

A claim is an abstract Unix socket. The kernel keeps its name for this machine, where no folder, no user and no
container has a copy of its own, and lets it go when the process ends, however that ends.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Sequence

from rldg_bringup.arguments import StackError
from rldg_bringup.machines import Machine

LARGEST = 231
"""of the domains in which nodes start that keep to this machine: some of the next one's ports would lie beyond the last
that there is"""
NUMBER = re.compile(
    r"[ \t\n\v\f\r]*\+?(?:0x(?P<hex>[0-9a-f]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))",
    re.ASCII | re.IGNORECASE,
)
CREDENTIALS = struct.Struct("iII")
"""process, user and group of the other end of a Unix socket"""
_claims: dict[str, socket.socket] = {}
"""of this process, held until it ends"""


def ros_domain() -> int:
    """The domain that nodes started from here will be in: `ROS_DOMAIN_ID` as rcl reads it, with `strtoul` in base 0.

    Raises:
        StackError: it is no number, or no domain.
    """
    text = os.environ.get("ROS_DOMAIN_ID", "")
    found = NUMBER.fullmatch(text or "0")
    bases = {"hex": 16, "octal": 8, "decimal": 10}
    number = (
        int(found[found.lastgroup], bases[found.lastgroup]) if found and found.lastgroup else -1
    )
    if not 0 <= number <= LARGEST:
        raise StackError(
            f"ROS_DOMAIN_ID={text!r} is no ROS domain: give a whole number from 0 to {LARGEST}"
        )
    return number


def claim_domain(parts: Sequence[Machine]) -> None:
    """Hold those parts of the ROS domain on this machine, for all its users, until this process ends.

    Raises:
        StackError: another stack holds one of them, or there is no such domain.
    """
    domain = ros_domain()
    for part in parts:
        name = f"\0rldg/domain/{domain}/{part.value}"
        if name in _claims:
            continue
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(name)
            claim.listen()  # whoever comes next learns from it which process this is
        except OSError as error:
            claim.close()
            if error.errno != errno.EADDRINUSE:
                raise StackError(f"cannot claim ROS domain {domain}: {error.strerror}") from error
            raise StackError(
                f"another stack{_holder(name)} runs in ROS domain {domain} on this machine, and the two would drive "
                "each other's robot: stop it first, or give this one a domain of its own, such as "
                f"ROS_DOMAIN_ID={domain % LARGEST + 1} ./rldg launch ..."
            ) from None
        _claims[name] = claim


def _holder(name: str) -> str:
    """Which process has a claim, in words; empty where the kernel does not say."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        try:
            asking.connect(name)
            told = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        except OSError:
            return ""
    process, user, _ = CREDENTIALS.unpack(told)
    return f" (process {process} of user {user})" if process > 0 else ""
