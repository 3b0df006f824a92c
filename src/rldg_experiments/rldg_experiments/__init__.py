# SPDX-License-Identifier: Apache-2.0
"""Whole comparisons: they run the product's own commands, side by side where they can, and tell what came out."""

from rldg_core import quiet_stop as quiet_stop
