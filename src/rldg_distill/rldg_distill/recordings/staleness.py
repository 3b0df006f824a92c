# SPDX-License-Identifier: Apache-2.0
"""How old what was measured last may be."""

from rldg_core.message_values import SECOND

MAX_AGE = SECOND // 2
"""[ns] beyond which the latest message says nothing of a moment, and two clocks are not the same"""
