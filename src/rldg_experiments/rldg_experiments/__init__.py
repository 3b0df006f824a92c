# SPDX-License-Identifier: Apache-2.0
"""Whole comparisons: they run the product's own commands, one after another, and tell what came out."""
