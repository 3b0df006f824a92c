# SPDX-License-Identifier: Apache-2.0
"""The safety gate as a node: the only publisher of the driver's topics. The rules are in safety.py."""

from __future__ import annotations

from collections import deque

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import PoseStamped, WrenchStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.contract import BASE_FRAME
from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.message_values import nanoseconds, pose_of, stamp_of, wrench_of
from rldg_core.stop_memory import StopMemory
from rldg_core.task import load_task, named_tasks
from rldg_msgs.msg import Episode, GripperCommand, SafetyState
from rldg_robot.alone import refuse_second_gate
from rldg_robot.gate_message import safety_state
from rldg_robot.message_check import quoted
from rldg_robot.node_main import run_node
from rldg_robot.publishers import Rivals, crowd
from rldg_robot.ros import listen_to, now, publish_on
from rldg_robot.ros_values import to_pose_stamped, to_stamp
from rldg_robot.safety import Gate, GateState, Grip

WATCH_PERIOD = 0.05  # [s]
REPORT_PERIOD = 1.0  # [s]
CORRECT_PERIOD = 1.0  # [s] of wall time
ON_THE_WAY = 16  # states of its own that may come back to a gate later than the next one went out
HEARD = (contract.CURRENT_POSE, contract.EXTERNAL_WRENCH, contract.POLICY_TARGET_POSE)
"""what the gate goes by, and which therefore should come from one node each"""
SINGLE = (*HEARD, contract.SAFETY_STATE)
LEVELS = {
    GateState.PASS: DiagnosticStatus.OK,
    GateState.HOLD: DiagnosticStatus.WARN,
    GateState.STOPPED: DiagnosticStatus.ERROR,
}


class SafetyGateNode(Node):
    """Hands targets from the policy to the driver, or does not."""

    def __init__(self) -> None:
        super().__init__("safety_gate")
        given = self.declare_parameter("task", "connector/vga").value
        self._tasks = {name: load_task(name) for name in named_tasks(given)}
        self.gate = Gate(next(iter(self._tasks.values())))
        self._memory = StopMemory(
            self.declare_parameter("memory", "").value,
            self.declare_parameter("start", "").value,
            real=self.declare_parameter("real", False).value,
        )
        if reason := self._memory.recall():
            self.gate.stop(reason)
        self._waiting: PoseStamped | None = None
        self._waiting_grip: GripperCommand | None = None
        self._published: tuple[GateState, Reason, str] | None = None
        self._said: deque[SafetyState] = deque(maxlen=ON_THE_WAY)
        self._contradicted = False

        listen_to(self, contract.CURRENT_POSE, self._on_pose)
        # The rules are the check of these: what is wrong about a wrench stops, about a target is reported.
        listen_to(self, contract.EXTERNAL_WRENCH, self._on_wrench, checked=False)
        # Only the stamp of an image matters here: it is never deserialised.
        listen_to(self, contract.WRIST_IMAGE, self._on_image, raw=True)
        refuse_second_gate(self)  # what it listens to is found meanwhile
        self._target = publish_on(self, contract.TARGET_POSE)
        self._gripper = publish_on(self, contract.GRIPPER_COMMAND)
        self._state = publish_on(self, contract.SAFETY_STATE)
        self._diagnostics = publish_on(self, contract.DIAGNOSTICS)
        self._rivals = Rivals(self)
        # In this order: of what waits, a gripper's command is handed on before the target of its moment.
        listen_to(self, contract.POLICY_GRIPPER, self._on_gripper, checked=False)
        listen_to(self, contract.POLICY_TARGET_POSE, self._on_target, checked=False)
        listen_to(self, contract.EMERGENCY_STOP, self._on_stop)
        listen_to(self, contract.EPISODE, self._on_episode, checked=False)
        self.create_service(Trigger, contract.SAFETY_RESET, self._on_reset)
        self.create_timer(WATCH_PERIOD, self._watch)
        self.create_timer(REPORT_PERIOD, self._report)
        listen_to(self, contract.SAFETY_STATE, self._on_said, checked=False)
        self.create_timer(
            CORRECT_PERIOD, self._correct, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._tell()

    def _on_pose(self, message: PoseStamped) -> None:
        self.gate.on_state(nanoseconds(message.header.stamp), pose_of(message.pose))
        if self._waiting_grip is not None:
            grip, self._waiting_grip = self._waiting_grip, None
            self._on_gripper(grip)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._on_target(waiting)

    def _on_wrench(self, message: WrenchStamped) -> None:
        self.gate.on_wrench(nanoseconds(message.header.stamp), wrench_of(message.wrench))
        self._tell()

    def _on_image(self, cdr: bytes) -> None:
        self.gate.on_image(stamp_of(cdr))

    def _on_target(self, message: PoseStamped) -> None:
        stamp = nanoseconds(message.header.stamp)
        # The policy may have heard of a state that has not arrived here yet. Limits are relative to it: wait.
        if not self.gate.knows_state_of(stamp):
            self._waiting = message
            return
        moment = self.gate.moment(now(self))
        self.gate.rivals = self._rivals.heard()
        decision = self.gate.command(stamp, message.header.frame_id, pose_of(message.pose), moment)
        if decision.passed and (due := self.gate.gripper_due(moment)):
            self._send_grip(*due)
        answered = stamp if decision.passed else self.gate.pose_stamp
        self._target.publish(to_pose_stamped(decision.target, answered, BASE_FRAME))
        if not decision.passed:
            self.get_logger().warning(f"held: {decision.reason}", throttle_duration_sec=1.0)
        self._tell()

    def _on_gripper(self, message: GripperCommand) -> None:
        stamp = nanoseconds(message.header.stamp)
        if not self.gate.knows_state_of(stamp):
            self._waiting_grip = message
            return
        grip = Grip(message.width, message.speed, message.force)
        passed, fault = self.gate.gripper(stamp, grip, self.gate.moment(now(self)))
        if passed:
            self._send_grip(stamp, passed)
        elif fault:
            self.get_logger().warning(
                f"gripper command rejected: {fault}", throttle_duration_sec=1.0
            )

    def _send_grip(self, stamp: int, grip: Grip) -> None:
        command = GripperCommand(width=grip.width, speed=grip.speed, force=grip.force)
        command.header.stamp = to_stamp(stamp)
        self._gripper.publish(command)

    def _on_stop(self, _: Empty) -> None:
        self.gate.stop(Reason(ReasonCode.EMERGENCY_STOP, "emergency stop"))
        self._tell()

    def _on_episode(self, message: Episode) -> None:
        """Take up the limits of the episode's task: one of those that the gate was started for."""
        if message.status != Episode.OPEN:
            return
        name = f"{message.task}/{message.variant}"
        if name in self._tasks:
            self.gate.take_up(self._tasks[name])
        else:
            known = ", ".join(self._tasks)
            text = f"an episode of {quoted(name)} began, but the limits given are of {known}"
            self.gate.stop(Reason(ReasonCode.UNKNOWN_TASK, text))
        self._tell()

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        released = self.gate.reset()
        response.success = released is not None
        response.message = f"released: {released}" if released else "was not stopped"
        self._tell()
        return response

    def _watch(self) -> None:
        self.gate.rivals = self._rivals.who
        if self.gate.watch(now(self)) is not None:
            self._hold()
        self._tell()

    def _hold(self) -> None:
        if self.gate.pose is not None:
            # It answers no state: the twin in lockstep, which knows answers by their stamp, must live no step for it.
            unmatched = now(self) - 1
            self._target.publish(to_pose_stamped(self.gate.hold_pose, unmatched, BASE_FRAME))

    def _tell(self) -> None:
        """Publish the gate's state when it changed."""
        state = (self.gate.state, self.gate.reason, self.gate.task.id)
        if state == self._published:
            return
        self._published = state
        stopped = self.gate.state is GateState.STOPPED
        if stopped:
            self._hold()
            self._remember()
        else:
            self._memory.forget()
        message = safety_state(self.gate, now(self))
        self._state.publish(message)
        self._said.append(message)
        if stopped:
            self.get_logger().error(
                f"stopped: {self.gate.reason}. When it is safe: ./rldg run rldg_robot gate reset"
            )

    def _on_said(self, message: SafetyState) -> None:
        """Whoever listens takes the last state for the gate's, be it somebody else's."""
        self._contradicted = self._contradicted or message not in self._said

    def _correct(self) -> None:
        """Say again what is so, where somebody else said something after it."""
        if not self._contradicted:
            return
        self._contradicted = False
        self._state.publish(self._said[-1])
        who = crowd(self, (contract.SAFETY_STATE,)) or "they left"
        self.get_logger().error(
            f"another node published as the gate, and was corrected: {who}",
            throttle_duration_sec=5.0,
        )

    def _remember(self) -> None:
        try:
            self._memory.keep(self.gate.reason)
        except OSError as error:  # the stop itself must not fail for it
            self.get_logger().error(f"if this gate dies, its stop is forgotten: {error}")

    def _report(self) -> None:
        status = DiagnosticStatus(
            level=LEVELS[self.gate.state],
            name="safety_gate",
            message=self.gate.reason.text or "targets pass",
            values=[
                KeyValue(key="state", value=self.gate.state.name),
                KeyValue(key="rejected", value=str(self.gate.rejected)),
                KeyValue(key="clamped", value=str(self.gate.clamped)),
                KeyValue(key="others", value=crowd(self, SINGLE) or "none"),
            ],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = to_stamp(now(self))
        self._diagnostics.publish(message)


def main() -> None:
    """Entry point."""
    run_node(SafetyGateNode)
