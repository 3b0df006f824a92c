# SPDX-License-Identifier: Apache-2.0
"""The specialist: environment over ROS topics, actor, learner, replay buffer, recorder and live view."""

from rldg_core import quiet_stop as quiet_stop
