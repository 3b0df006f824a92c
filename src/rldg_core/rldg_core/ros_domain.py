# SPDX-License-Identifier: Apache-2.0
"""The number of a ROS domain, as rcl reads it, and where rcl reads another one than was meant, an error."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection

from rldg_core.user_error import UserError

LARGEST = 231
"""of the domains in which nodes start that keep to this machine: some of the next one's ports would lie beyond the last
that there is"""
PARTS = ("robot", "gpu")
"""of a stack, on one machine or on two, which are claimed apart"""
NUMBER = re.compile(
    r"[ \t\n\v\f\r]*\+?(?:0x(?P<hex>[0-9a-f]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))",
    re.ASCII | re.IGNORECASE,
)


def domain_id(text: str) -> int:
    """The domain that `ROS_DOMAIN_ID` with this text means to rcl, which reads it with `strtoul` in base 0.

    Raises:
        UserError: it is no number, or no domain.
    """
    found = NUMBER.fullmatch(text or "0")
    bases = {"hex": 16, "octal": 8, "decimal": 10}
    number = (
        int(found[found.lastgroup], bases[found.lastgroup]) if found and found.lastgroup else -1
    )
    if not 0 <= number <= LARGEST:
        raise UserError(
            f"ROS_DOMAIN_ID={text!r} is no ROS domain: give a whole number from 0 to {LARGEST}"
        )
    return number


def claim_name(domain: int, part: str) -> str:
    """Of the abstract Unix socket that whoever runs this part of the robot in a domain of this machine holds."""
    return f"\0rldg/domain/{domain}/{part}"


def free_domain(first: int, taken: Collection[int]) -> int:
    """The first domain from this one on in which no stack runs on this machine, without those that are taken.

    Raises:
        UserError: there is none.
    """
    for step in range(LARGEST + 1):
        domain = (first + step) % (LARGEST + 1)
        if domain not in taken and not _is_claimed(domain):
            return domain
    raise UserError("a stack runs in every ROS domain of this machine: stop one")


def _is_claimed(domain: int) -> bool:
    for part in PARTS:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(claim_name(domain, part))
            except OSError:
                return True
    return False
