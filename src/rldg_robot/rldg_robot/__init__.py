# SPDX-License-Identifier: Apache-2.0
"""The body: a simulated twin, a safety gate, an operator, and the tasks."""

import os

# Render off-screen, without a display. Here, because mujoco reads it when it is imported, and this
# comes before any module of the package.
os.environ.setdefault("MUJOCO_GL", "egl")
