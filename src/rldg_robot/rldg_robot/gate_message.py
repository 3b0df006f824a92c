# SPDX-License-Identifier: Apache-2.0
"""The safety gate's state as a message; it needs no rclpy."""

from __future__ import annotations

from rldg_msgs.msg import SafetyState
from rldg_robot.ros_values import to_stamp
from rldg_robot.safety import Gate


def safety_state(gate: Gate, stamp: int) -> SafetyState:
    """As it is now.

    Args:
        gate: that is told of.
        stamp: ROS time [ns].
    """
    message = SafetyState(
        state=int(gate.state),
        reason=gate.reason.text,
        reason_code=int(gate.reason.code),
        task=gate.task.id,
        rejected=gate.rejected,
        clamped=gate.clamped,
    )
    message.header.stamp = to_stamp(stamp)
    return message
