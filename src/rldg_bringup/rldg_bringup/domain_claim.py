# SPDX-License-Identifier: Apache-2.0
"""The claim on a ROS domain: two stacks in one domain would drive each other's robot.

A claim is an abstract Unix socket. The kernel keeps its name for this machine, where no folder, no user and no
container has a copy of its own, and lets it go when the process ends, however that ends.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence

from rldg_bringup.arguments import StackError
from rldg_bringup.machines import Machine
from rldg_core.ros_domain import LARGEST, claim_name, domain_id
from rldg_core.user_error import UserError

CREDENTIALS = struct.Struct("iII")
"""process, user and group of the other end of a Unix socket"""
_claims: dict[str, socket.socket] = {}
"""of this process, held until it ends"""


def ros_domain() -> int:
    """The domain that nodes started from here will be in.

    Raises:
        StackError: it is no number, or no domain.
    """
    try:
        return domain_id(os.environ.get("ROS_DOMAIN_ID", ""))
    except UserError as error:
        raise StackError(str(error)) from None


def claim_domain(parts: Sequence[Machine]) -> None:
    """Hold those parts of the ROS domain on this machine, for all its users, until this process ends.

    Raises:
        StackError: another stack holds one of them, or there is no such domain.
    """
    domain = ros_domain()
    for part in parts:
        name = claim_name(domain, part.value)
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
            credentials = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        except OSError:
            return ""
    process, user, _ = CREDENTIALS.unpack(credentials)
    return f" (process {process} of user {user})" if process > 0 else ""
