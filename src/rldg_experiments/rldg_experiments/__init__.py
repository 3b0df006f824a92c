# SPDX-License-Identifier: Apache-2.0
"""Whole comparisons: they run the product's own commands, one after another, and tell what came out."""

from rldg_core import quiet_stop as quiet_stop
