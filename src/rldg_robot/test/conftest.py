# SPDX-License-Identifier: Apache-2.0
"""Imports the package before any test imports mujoco: it chooses the off-screen renderer."""

import rldg_robot  # noqa: F401
