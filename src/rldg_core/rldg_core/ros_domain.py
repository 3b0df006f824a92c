# SPDX-License-Identifier: Apache-2.0
"""The number of a ROS domain, as rcl reads it, and where rcl reads another one than was meant, an error."""

from __future__ import annotations

import re

from rldg_core.user_error import UserError

LARGEST = 231
"""of the domains in which nodes start that keep to this machine: some of the next one's ports would lie beyond the last
that there is"""
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
