# SPDX-License-Identifier: Apache-2.0
"""The doctor: looks at machine, arm, camera and gate before anything moves, and says what to mend.

It listens to what the driver publishes, and hands the gate a target that is no pose: the arm must not follow.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Empty

from rldg_core import contract
from rldg_core.commands.console import plain_console
from rldg_core.contract import BASE_FRAME, Topic
from rldg_core.message_values import nanoseconds, pose_of, stamp_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.msg import SafetyState
from rldg_robot import gate_command
from rldg_robot.doctor.finding import CheckStatus, Finding, bad, good, healthy, skipped, warning
from rldg_robot.doctor.machine_check import machine_findings
from rldg_robot.doctor.stream_check import WANTED, TopicArrivals, alignment_finding, stream_finding
from rldg_robot.doctor.workspace_check import workspace_findings
from rldg_robot.node_main import run_main
from rldg_robot.publishers import DRIVEN, crowd
from rldg_robot.ros import listen_to, message_in, now, publish_on, unheard
from rldg_robot.ros_values import to_pose_stamped
from rldg_robot.safety import OUT, OUT_TURN, OUTSIDE, RETURN, distance_outside_box

EXAMINED = (contract.CURRENT_POSE, contract.EXTERNAL_WRENCH)
"""topics of which more than the stamps counts"""
START_SECONDS = 30.0
"""[s] of wall time that driver and gate have to show up"""
LISTEN_SECONDS = 4.0
ANSWER_SECONDS = 5.0
"""[s] for the gate's answer; it reports once a second"""
AT_REST = 5.0
"""[N] that an arm which touches nothing may feel"""
CREEP = 0.005
"""[m] that a target may be off the measured pose while the arm is held"""
NOTICED, NOTICED_TURN = 0.001, 0.01
"""[m, rad] outside of the box from which it is reported"""
FAILED = 1


class DoctorNode(Node):
    """Hears what there is to hear, and examines it."""

    def __init__(self) -> None:
        super().__init__("doctor")
        self.task = load_task(self.declare_parameter("task", "connector/vga").value)
        self.arm = str(self.declare_parameter("arm", "").value)
        self.folder = Path(self.declare_parameter("runs", "runs").value)
        self.streams = {topic: TopicArrivals() for topic in WANTED}
        self._latest: dict[Topic, bytes] = {}
        self.targets: list[Pose] = []
        self.rejected = 0
        self.safety = SafetyState()
        self.complaints: dict[str, str] = {}
        for topic in WANTED:
            listen_to(self, topic, partial(self._on_stream, topic), raw=True)
        listen_to(self, contract.TARGET_POSE, self._on_target)
        listen_to(self, contract.SAFETY_STATE, self._on_safety)
        listen_to(self, contract.DIAGNOSTICS, self._on_diagnostics)

    def _on_stream(self, topic: Topic, cdr: bytes) -> None:
        # Only stamps are read of most messages: what listens must not be what is slow.
        if topic in EXAMINED and message_in(cdr, topic) is None:
            return
        self._latest[topic] = cdr
        self.streams[topic].add(now(self), stamp_of(cdr))

    def _message(self, topic: Topic) -> Any:
        """The last one that was heard of a topic that is examined."""
        return message_in(self._latest[topic], topic)

    def _on_target(self, message: PoseStamped) -> None:
        self.targets.append(pose_of(message.pose))

    def _on_safety(self, message: SafetyState) -> None:
        self.safety = message

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            values = {pair.key: pair.value for pair in status.values}
            if status.name == "safety_gate":
                count = values.get("rejected", "")
                self.rejected = int(count) if count.isascii() and count.isdigit() else self.rejected
            elif status.level != status.OK:
                self.complaints[status.name] = status.message

    def examine(self) -> Iterator[Finding]:
        """Everything, one after another, the cheapest first."""
        yield from machine_findings(self.folder, self.arm)
        yield from workspace_findings(self.task)
        if not self._until(self._hears, START_SECONDS):
            yield bad(
                contract.CURRENT_POSE.name,
                f"nothing of it came within {START_SECONDS:.0f} s",
                "look at the driver's log; is another robot:= meant, or another ROS_DOMAIN_ID?",
            )
            return
        for stream in self.streams.values():  # what came while all were starting says little
            stream.arrivals.clear()
            stream.stamps.clear()
        begin = now(self)
        self._until(lambda: False, LISTEN_SECONDS)
        yield from self._streams((begin, now(self)))
        yield from self._arm()
        yield from self._gate()
        for name, message in self.complaints.items():
            yield warning(f"diagnostics of {name}", message, "see `ros2 topic echo /diagnostics`")

    def _hears(self) -> bool:
        """Whether the driver speaks, and it is known what time it is: a twin's clock may come later."""
        return contract.CURRENT_POSE in self._latest and now(self) > 0

    def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Listen until it holds, or for so long; whether it held."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            rclpy.spin_once(self, timeout_sec=0.01)
        return True

    def _tell(self, publisher: Publisher, message: object, condition: Callable[[], bool]) -> bool:
        """Publish until it holds, for the gate may not know of this node yet; whether it did in time."""

        def published() -> bool:
            publisher.publish(message)
            return condition()

        return self._until(published, ANSWER_SECONDS)

    def _streams(self, span: tuple[int, int]) -> Iterator[Finding]:
        for topic, stream in self.streams.items():
            count = self.count_publishers(topic.name)
            yield stream_finding(topic, stream, count, span, unheard(self, topic))
        images, poses = self.streams[contract.WRIST_IMAGE], self.streams[contract.CURRENT_POSE]
        if images.arrivals and poses.arrivals:
            yield alignment_finding(images, poses, self.task.period)

    def _arm(self) -> Iterator[Finding]:
        yield self._place(pose_of(self._message(contract.CURRENT_POSE).pose))
        if contract.EXTERNAL_WRENCH in self._latest:
            force = self._message(contract.EXTERNAL_WRENCH).wrench.force
            newtons = float(np.linalg.norm([force.x, force.y, force.z]))
            if newtons > AT_REST:
                fix = "free it if it touches something; else set the tool's mass and its centre in the arm (set_load)"
                yield warning("force at rest", f"{newtons:.1f} N", fix)
            else:
                yield good("force at rest", f"{newtons:.1f} N")

    def _place(self, pose: Pose) -> Finding:
        if not pose.is_finite():
            fix = "restart the driver; if it stays so, do not move this arm"
            return bad("the TCP", "its measured pose is no pose", fix)
        away, turned = distance_outside_box(pose, self.task)
        where = ", ".join(f"{value:.3f}" for value in pose.position)
        outside = (
            f"({where}) m, {1e3 * away:.0f} mm and {turned:.2f} rad {OUTSIDE} of {self.task.id}"
        )
        if away > OUT or turned > OUT_TURN:
            fix = f"the gate lets nothing pass there: {RETURN}; or correct goal and box"
            return bad("the TCP", outside, fix)
        if away > NOTICED or turned > NOTICED_TURN:
            fix = "the first target leads it inside"
            return warning("the TCP", outside, fix)
        return good("the TCP", f"({where}) m, in the box of {self.task.id}")

    def _gate(self) -> Iterator[Finding]:
        """Plant a target that is no pose, then the emergency stop; the arm must be held throughout."""
        name = "safety gate"
        if self.safety.state == SafetyState.STOPPED:
            fix = "when it is safe: ./rldg run rldg_robot gate reset"
            yield bad(name, f"it is stopped: {self.safety.reason}", fix)
            return
        if not self.count_publishers(contract.SAFETY_STATE.name):
            yield bad(name, "there is none", "start a stack: it brings its gate")
            return
        for topic in DRIVEN:
            if others := crowd(self, (topic,)):
                fix = "stop whatever else publishes it: the gate alone may"
                yield bad(name, f"it is not alone on {topic.name}: {others}", fix)
                return
        if self.count_publishers(contract.POLICY_TARGET_POSE.name):
            yield skipped(name, "another node drives the arm right now: not checked")
            return
        yield self._planted()
        yield self._stopped()

    def _planted(self) -> Finding:
        name = "safety gate, target of NaN"
        planter = publish_on(self, contract.POLICY_TARGET_POSE)
        self._until(lambda: planter.get_subscription_count() > 0, ANSWER_SECONDS)
        before = self.rejected
        self.targets.clear()
        measured = self._message(contract.CURRENT_POSE)
        here, stamp = pose_of(measured.pose), nanoseconds(measured.header.stamp)
        nowhere = to_pose_stamped(Pose(np.full(3, np.nan), here.quaternion), stamp, BASE_FRAME)
        refused = self._tell(planter, nowhere, lambda: self.rejected > before)
        self.destroy_publisher(planter)
        off = [np.linalg.norm(target.position - here.position) for target in self.targets]
        if not all(distance < CREEP for distance in off):  # NaN is not smaller either
            fix = "do not use this arm: what goes to it is not what the gate lets pass"
            return bad(name, "it went to the arm", fix)
        if not refused:
            return bad(
                name,
                "the gate did not say that it refused it",
                "restart the stack; see the gate's log",
            )
        return good(name, "refused, the arm is held")

    def _stopped(self) -> Finding:
        name = "safety gate, emergency stop"
        button = publish_on(self, contract.EMERGENCY_STOP)
        self._until(lambda: button.get_subscription_count() > 0, ANSWER_SECONDS)
        pressed = time.monotonic()
        if not self._tell(button, Empty(), lambda: self.safety.state == SafetyState.STOPPED):
            return bad(name, "the gate did not stop", "restart the stack; see the gate's log")
        took = 1e3 * (time.monotonic() - pressed)
        released = gate_command.reset(self)
        return good(name, f"stopped after {took:.0f} ms, {released}")


def main() -> None:
    """Entry point."""

    def examine() -> None:
        console = plain_console()
        findings = []
        for finding in DoctorNode().examine():
            findings.append(finding)
            console.print(finding.shown())
        count = {status: sum(f.status is status for f in findings) for status in CheckStatus}
        console.print(
            f"\n{count[CheckStatus.GOOD]} good, {count[CheckStatus.WARNING]} to look at, "
            f"{count[CheckStatus.BAD]} to fix first,  {count[CheckStatus.SKIPPED]} skipped"
        )
        if not healthy(findings):
            sys.exit(FAILED)

    run_main(examine)
