# SPDX-License-Identifier: Apache-2.0
"""The body: a simulated twin, a safety gate, an operator, and the tasks."""

import os

from rldg_core import quiet_stop as quiet_stop

# Render off-screen, without a display. Here, because mujoco reads it when it is imported, and this
# comes before any module of the package.
os.environ.setdefault("MUJOCO_GL", "egl")
# Small frames gain nothing from a second thread of Mesa's software renderer, and on few cores it waits for a core that
# the learner is using: the whole ROS loop then runs at 124 instead of 176 steps/s.
os.environ.setdefault("LP_NUM_THREADS", "1")
