# SPDX-License-Identifier: Apache-2.0
"""What the numbers of an arm's actions and states mean in a dataset: those of the FR3 with its hand."""

from __future__ import annotations

from rldg_core.proprioception import PROPRIOCEPTION
from rldg_core.space import Space, Spaces

ACTION = (
    *(f"translation_{axis} [m]" for axis in "xyz"),
    *(f"rotvec_{axis} [rad]" for axis in "xyz"),
    "gripper [1 open, 0 closed]",
)
"""name and unit of every dimension; motion of the TCP in its own frame, per control step"""
ARM = Spaces(Space.of(*ACTION, switches=1), Space.of(*PROPRIOCEPTION))
"""also of every dataset and student of version 0.1.0, whose files do not say it"""
