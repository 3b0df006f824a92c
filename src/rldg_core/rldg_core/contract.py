# SPDX-License-Identifier: Apache-2.0
"""The robot contract: every topic by which nodes meet, with its type and quality of service.

Names are relative, so that a namespace or a remapping moves them. Nothing here imports ROS: bags are read offline too.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTRACT_VERSION = "1"
"""Version of the meaning of topics, actions and observations; every checkpoint and bag carries it."""

BASE_FRAME = "base"
TCP_FRAME = "fr3_hand_tcp"
"""frames of every pose, and of the wrench"""

EMBODIMENT = "fr3_hand"
"""name of the arm and hand that this contract is of"""

JOINT_NAMES = (*(f"fr3_joint{i}" for i in range(1, 8)), "fr3_finger_joint1", "fr3_finger_joint2")
"""in the order of `joint_states`"""


@dataclass(frozen=True)
class Topic:
    """One topic. Every publisher and every subscriber of it uses this very description."""

    name: str
    type: str
    reliable: bool = True
    depth: int = 1
    latched: bool = False
    """transient local: whoever comes late has the last message at once"""
    lifespan: float | None = None
    """[s] after which an undelivered message is dropped"""


# Gate to driver. No other node publishes these.
TARGET_POSE = Topic("target_pose", "geometry_msgs/msg/PoseStamped", lifespan=1.0)
GRIPPER_COMMAND = Topic("gripper/command", "rldg_msgs/msg/GripperCommand")

# Driver to everybody.
CURRENT_POSE = Topic("current_pose", "geometry_msgs/msg/PoseStamped", reliable=False)
CURRENT_TWIST = Topic("current_twist", "geometry_msgs/msg/TwistStamped", reliable=False)
EXTERNAL_WRENCH = Topic("external_wrench", "geometry_msgs/msg/WrenchStamped", reliable=False)
JOINT_STATES = Topic("joint_states", "sensor_msgs/msg/JointState", reliable=False)
GRIPPER_STATE = Topic("gripper/state", "rldg_msgs/msg/GripperState")
TASK_STATE = Topic("task_state", "rldg_msgs/msg/TaskState", reliable=False)

# Camera to everybody.
WRIST_IMAGE = Topic("wrist_camera/color/image_raw", "sensor_msgs/msg/Image")
WRIST_CAMERA_INFO = Topic("wrist_camera/color/camera_info", "sensor_msgs/msg/CameraInfo")

# SpaceMouse, or the operator who plays one, to the actor. The joystick message is the one with a stamp: it decides.
SPACENAV_TWIST = Topic("spacenav/twist", "geometry_msgs/msg/Twist", depth=10)
SPACENAV_JOY = Topic("spacenav/joy", "sensor_msgs/msg/Joy", depth=10)

# Actor to the person who watches, at the keyboard or played, and back.
QUESTION = Topic("person/question", "rldg_msgs/msg/Question", latched=True)
ANSWER = Topic("person/answer", "rldg_msgs/msg/Answer", depth=10)

# Policy to gate.
POLICY_TARGET_POSE = Topic("policy/target_pose", "geometry_msgs/msg/PoseStamped")
POLICY_GRIPPER = Topic("policy/gripper", "rldg_msgs/msg/GripperCommand")

# Any node to a policy that follows an instruction in words.
INSTRUCTION = Topic("policy/instruction", "std_msgs/msg/String", depth=10)

# The gate's own.
EMERGENCY_STOP = Topic("emergency_stop", "std_msgs/msg/Empty", depth=10)
SAFETY_STATE = Topic("safety_gate/state", "rldg_msgs/msg/SafetyState", latched=True)
SAFETY_RESET = (
    "safety_gate/reset"  # std_srvs/srv/Trigger; success: there was a stop, and it is released
)
DIAGNOSTICS = Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray", depth=10)

# To RViz and Foxglove.
MARKERS = Topic("markers", "visualization_msgs/msg/MarkerArray")

# A run's record. Latched deep enough that a node that was killed and is back misses nothing of the episode.
STEP = Topic("step", "rldg_msgs/msg/Step", depth=256, latched=True)
EPISODE = Topic("episode", "rldg_msgs/msg/Episode", depth=4, latched=True)

# Actor, learner, recorder.
TRANSITION = Topic("transition", "rldg_msgs/msg/Transition", depth=512, latched=True)
POLICY_WEIGHTS = Topic("policy_weights", "rldg_msgs/msg/PolicyWeights", latched=True)
ENCODER_WEIGHTS = Topic("encoder_weights", "rldg_msgs/msg/EncoderWeights", latched=True)
LEARNER_STATUS = Topic("learner/status", "rldg_msgs/msg/LearnerStatus", latched=True)
RECORDER_STATUS = Topic("recorder/status", "rldg_msgs/msg/RecorderStatus", latched=True)
RUN_STATUS = Topic("run/status", "rldg_msgs/msg/RunStatus", latched=True)

RESET = "reset"  # rldg_msgs/srv/Reset, offered by the driver
NEXT_ACTIONS = "student/next_actions"  # rldg_msgs/srv/NextActions, offered by a student elsewhere
NEXT_BAG = "recorder/next_bag"  # rldg_msgs/srv/NextBag, offered by the recorder
ARM_RECOVER = "arm/recover"  # std_srvs/srv/Trigger, offered by the driver of a real arm

OBSERVED = (
    CURRENT_POSE,
    CURRENT_TWIST,
    EXTERNAL_WRENCH,
    GRIPPER_STATE,
    TASK_STATE,
    WRIST_IMAGE,
)
"""what an observation is made of"""

LOOP = (*OBSERVED, POLICY_TARGET_POSE, SAFETY_STATE, TARGET_POSE)
"""what flows, in every task, once a target goes through the gate to the arm and an observation comes back"""

RECORDED = (
    TARGET_POSE,
    GRIPPER_COMMAND,
    CURRENT_POSE,
    CURRENT_TWIST,
    EXTERNAL_WRENCH,
    JOINT_STATES,
    GRIPPER_STATE,
    TASK_STATE,
    WRIST_IMAGE,
    WRIST_CAMERA_INFO,
    SPACENAV_JOY,
    ANSWER,
    POLICY_TARGET_POSE,
    POLICY_GRIPPER,
    INSTRUCTION,
    SAFETY_STATE,
    STEP,
    EPISODE,
)

TOPICS = {
    topic.name.lstrip("/"): topic for topic in tuple(globals().values()) if isinstance(topic, Topic)
}
"""every topic of the contract by its name, without a leading slash as bags are read"""
