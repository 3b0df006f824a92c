# SPDX-License-Identifier: Apache-2.0
"""The generalists. Every folder here with a `student.py` is one; `registry` finds it by its folder's name."""
