# SPDX-License-Identifier: Apache-2.0
"""The base of every error that a person can mend, for nodes and for programs without ROS."""

from __future__ import annotations


class UserError(RuntimeError):
    """Something that the user can mend; the message says what and how."""
