# SPDX-License-Identifier: Apache-2.0
"""Stacks: which nodes one launch starts, and two ways to start them."""
