# SPDX-License-Identifier: Apache-2.0
"""The safety gate in the running graph: nobody else writes to the driver, and what it lets pass."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import PoseStamped, WrenchStamped
from harness import PATIENCE, Processes, executable, expect_exit, spin_until, wait_until
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Empty
from std_srvs.srv import Trigger

from rldg_core import contract
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_msgs.msg import Episode, GripperCommand, SafetyState, TaskState
from rldg_msgs.srv import Reset
from rldg_robot.ros import listen_to, publish_on
from rldg_robot.ros_values import to_pose_stamped

TASK = load_task("connector/vga")


class Probe(Node):
    """Plays the policy, and listens to what reaches the driver."""

    def __init__(self) -> None:
        super().__init__("probe")
        self.targets: list[PoseStamped] = []
        self.pose: PoseStamped | None = None
        self.safety = SafetyState()
        listen_to(self, contract.TARGET_POSE, self.targets.append)
        listen_to(self, contract.CURRENT_POSE, lambda message: setattr(self, "pose", message))
        listen_to(self, contract.SAFETY_STATE, lambda message: setattr(self, "safety", message))
        self.image: Image | None = None
        listen_to(self, contract.WRIST_IMAGE, lambda message: setattr(self, "image", message))
        self.policy = publish_on(self, contract.POLICY_TARGET_POSE)
        self.episode = publish_on(self, contract.EPISODE)
        self.wrench = publish_on(self, contract.EXTERNAL_WRENCH)
        self.stop = publish_on(self, contract.EMERGENCY_STOP)
        self.release = self.create_client(Trigger, contract.SAFETY_RESET)
        self.start = self.create_client(Reset, contract.RESET)

    def until(self, condition: Callable[[], object], seconds: float = PATIENCE) -> None:
        spin_until(self, condition, "what was asked for", seconds)

    def tell(self, publisher: Publisher, message: object, condition: Callable[[], object]) -> None:
        """Publish until a condition holds: who is not known to the gate yet is not heard."""

        def published() -> object:
            publisher.publish(message)
            return condition()

        self.until(published)

    def stopped(self) -> bool:
        return bool(self.safety.state == SafetyState.STOPPED)

    def call(self, client: object, request: object) -> object:
        """Ask, and once more where nothing comes: an answer is lost on who is not yet known to the server."""
        self.until(client.service_is_ready)  # type: ignore[attr-defined]
        for _ in range(3):
            future = client.call_async(request)  # type: ignore[attr-defined]
            with suppress(AssertionError):
                self.until(future.done, 5.0)
                return future.result()
        raise AssertionError("no answer")

    def send(self, target: Pose, frame: str = "base") -> PoseStamped:
        """Send a target for the present state; returns what the driver got."""
        assert self.pose is not None
        stamp, count = nanoseconds(self.pose.header.stamp), len(self.targets)
        self.policy.publish(to_pose_stamped(target, stamp, frame))
        self.until(
            lambda: len(self.targets) > count and nanoseconds(self.pose.header.stamp) > stamp
        )
        return self.targets[-1]

    def close_the_loop(self) -> None:
        """Ask for where the arm is until the gate passes it: at first it may not have heard every stream."""
        for _ in range(20):
            assert self.pose is not None
            self.send(pose_of(self.pose.pose))
            if self.safety.state == SafetyState.PASS:
                return
            rclpy.spin_once(self, timeout_sec=0.2)
        raise AssertionError(f"the gate does not pass: {self.safety.reason}")


@pytest.fixture
def probe(processes: Processes) -> Iterator[Probe]:
    processes.node("rldg_robot", "twin", task=TASK.id)
    processes.node("rldg_robot", "safety_gate", task=TASK.id, use_sim_time=True)
    rclpy.init()
    probe = Probe()
    probe.until(lambda: probe.count_publishers(contract.TARGET_POSE.name))
    probe.until(probe.policy.get_subscription_count)
    probe.call(probe.start, Reset.Request(seed=1))
    probe.until(lambda: probe.pose)
    probe.close_the_loop()
    yield probe
    probe.destroy_node()
    rclpy.shutdown()


def test_targets_pass_are_clamped_and_rejected(probe: Probe) -> None:
    here = pose_of(probe.pose.pose)
    near = Pose(here.position + [0, 0, -0.01], here.quaternion)
    assert np.allclose(pose_of(probe.send(near).pose).position, near.position)

    here = pose_of(probe.pose.pose)
    passed = pose_of(probe.send(Pose(here.position - [0, 0, 0.5], here.quaternion)).pose)
    assert np.linalg.norm(passed.position - here.position) < 0.03

    here = pose_of(probe.pose.pose)
    held = pose_of(probe.send(Pose(np.full(3, np.nan), here.quaternion)).pose)
    assert np.allclose(held.position, here.position)


def test_an_emergency_stop_holds_the_arm_until_the_reset(probe: Probe) -> None:
    here = pose_of(probe.pose.pose)
    probe.send(here)
    probe.tell(probe.stop, Empty(), probe.stopped)
    assert probe.safety.reason == "emergency stop"
    here = pose_of(probe.pose.pose)
    target = Pose(here.position - [0, 0, 0.01], here.quaternion)
    held = pose_of(probe.send(target).pose)
    assert np.linalg.norm(held.position - here.position) < 1e-3

    assert probe.call(probe.release, Trigger.Request()).success
    probe.until(lambda: probe.safety.state != SafetyState.STOPPED)
    here = pose_of(probe.pose.pose)
    target = Pose(here.position - [0, 0, 0.01], here.quaternion)
    assert np.allclose(pose_of(probe.send(target).pose).position, target.position)


def test_too_much_force_stops_the_arm_at_once(probe: Probe) -> None:
    probe.send(pose_of(probe.pose.pose))
    count = len(probe.targets)
    message = WrenchStamped(header=probe.pose.header)
    message.wrench.force.z = 100.0
    probe.tell(probe.wrench, message, probe.stopped)
    assert "100.0 N" in probe.safety.reason
    probe.until(lambda: len(probe.targets) > count)  # commanded to hold, though no policy asked
    held, stood = probe.targets[-1].header.stamp, probe.pose.header.stamp
    assert nanoseconds(held) != nanoseconds(stood), "or the twin in lockstep would live a step"


def test_the_gate_keeps_to_the_tasks_it_was_started_for(probe: Probe) -> None:
    probe.until(lambda: probe.safety.task == TASK.id)
    family, variant = TASK.id.split("/")
    probe.episode.publish(Episode(task=family, variant=variant, status=Episode.OPEN))
    probe.send(pose_of(probe.pose.pose))
    probe.until(lambda: probe.safety.state == SafetyState.PASS)
    probe.episode.publish(Episode(task=family, variant="xlr", status=Episode.OPEN))
    probe.until(probe.stopped)
    assert "connector/xlr" in probe.safety.reason and probe.safety.task == TASK.id


def test_the_twin_changes_its_scene_with_a_reset(probe: Probe) -> None:
    def seen(task: str) -> float:
        """Sum of the first image's pixels."""
        answer = probe.call(probe.start, Reset.Request(seed=3, task=task))
        assert answer.success
        begin = nanoseconds(answer.stamp)
        probe.until(lambda: probe.image and nanoseconds(probe.image.header.stamp) >= begin)
        return float(np.asarray(probe.image.data, float).sum())

    first, other, again = seen("connector/vga"), seen("connector/xlr"), seen("connector/vga")
    assert first == again != other
    refused = probe.call(probe.start, Reset.Request(seed=3, task="connector/xxl"))
    assert not refused.success and "connector/xlr" in refused.message


def test_the_gate_is_stopped_and_released_from_a_terminal(
    probe: Probe, processes: Processes
) -> None:
    probe.send(pose_of(probe.pose.pose))
    gate = executable("rldg_robot", "gate")
    stop = processes.start(gate, "stop")
    probe.until(probe.stopped)
    expect_exit(stop)
    assert "stopped" in stop.log.read_text()
    reset = processes.start(gate, "reset")
    probe.until(lambda: probe.safety.state != SafetyState.STOPPED)
    expect_exit(reset)
    assert "released: emergency stop" in reset.log.read_text()


def test_a_gate_that_is_killed_and_started_again_releases_no_stop(
    probe: Probe, processes: Processes
) -> None:
    def gate() -> subprocess.Popen[bytes]:
        words = {"task": TASK.id, "use_sim_time": True, "memory": processes.folder / "stopped"}
        return processes.node("rldg_robot", "safety_gate", **words)

    def reported() -> SafetyState:
        before = probe.safety
        probe.until(lambda: probe.safety is not before)
        return probe.safety

    processes.started[1].kill()
    running = gate()
    assert reported().state == SafetyState.HOLD
    probe.tell(probe.stop, Empty(), probe.stopped)
    running.kill()
    running = gate()
    remembered = reported()
    assert remembered.state == SafetyState.STOPPED and remembered.reason == "emergency stop"
    assert remembered.reason_code == SafetyState.REASON_EMERGENCY_STOP
    assert probe.call(probe.release, Trigger.Request()).message == "released: emergency stop"
    running.kill()
    gate()
    assert reported().state == SafetyState.HOLD


def test_nothing_moves_while_somebody_else_publishes_to_the_driver(probe: Probe) -> None:
    here = pose_of(probe.pose.pose)
    away = Pose(here.position + [0.03, 0.0, 0.0], here.quaternion)
    intruder = Node("intruder")
    publisher = publish_on(intruder, contract.TARGET_POSE)
    probe.until(publisher.get_subscription_count)

    def pushed(wanted: Pose = away) -> bool:
        stamp = nanoseconds(probe.pose.header.stamp)
        publisher.publish(to_pose_stamped(away, stamp, "base"))
        probe.policy.publish(to_pose_stamped(wanted, stamp, "base"))
        return bool(probe.safety.state == SafetyState.HOLD)

    # Until the gate knows of the other one it lets targets pass; who that is may be known a moment later.
    probe.until(lambda: pushed(here) and "publishers, also intruder" in probe.safety.reason)
    # Who it is may be known a moment later than that somebody is.
    probe.until(lambda: pushed() and "2 publishers, also intruder" in probe.safety.reason)
    for _ in range(20):
        pushed()
        rclpy.spin_once(probe, timeout_sec=0.05)
    assert np.linalg.norm(pose_of(probe.pose.pose).position - here.position) < 0.004
    intruder.destroy_node()

    def passes() -> bool:
        stamp = nanoseconds(probe.pose.header.stamp)  # of now: the twin may have gone on
        probe.policy.publish(to_pose_stamped(here, stamp, "base"))
        return bool(probe.safety.state == SafetyState.PASS)

    probe.until(passes)


def test_what_is_no_target_does_not_move_the_twin_nor_end_it(
    processes: Processes, domain: int
) -> None:
    twin = processes.node("rldg_robot", "twin", task=TASK.id, real_time_factor=1.0)
    rclpy.init()
    probe = Probe()
    target, hand = (
        publish_on(probe, topic) for topic in (contract.TARGET_POSE, contract.GRIPPER_COMMAND)
    )
    probe.until(lambda: probe.pose and target.get_subscription_count())
    here = pose_of(probe.pose.pose)
    up = Pose(here.position + [0.0, 0.0, 0.01], here.quaternion)
    bad = [Pose(here.position * scale, here.quaternion) for scale in (np.nan, np.inf, 1e300, -1e30)]
    bad += [Pose(up.position, up.quaternion * scale) for scale in (0.0, 2.0, np.nan)]
    for pose in bad:
        target.publish(to_pose_stamped(pose, 0, "base"))
        hand.publish(GripperCommand(width=float("nan"), speed=1e30, force=-float("inf")))
        hand.publish(GripperCommand(width=1e30, speed=1e30, force=1e30))
        for _ in range(5):
            rclpy.spin_once(probe, timeout_sec=0.05)
    target.publish(to_pose_stamped(up, 0, "world"))
    for _ in range(20):
        rclpy.spin_once(probe, timeout_sec=0.05)
    assert np.linalg.norm(pose_of(probe.pose.pose).position - here.position) < 0.002
    probe.tell(
        target,
        to_pose_stamped(up, 0, "base"),
        lambda: pose_of(probe.pose.pose).position[2] > here.position[2] + 0.007,
    )
    assert twin.poll() is None
    probe.destroy_node()


def test_who_publishes_to_the_driver_and_leaves_at_once_moves_nothing(
    processes: Processes, domain: int
) -> None:
    processes.node("rldg_robot", "twin", task=TASK.id, real_time_factor=1.0)
    rclpy.init()
    probe = Probe()
    target = publish_on(probe, contract.TARGET_POSE)  # plays the gate
    probe.until(lambda: probe.pose and target.get_subscription_count())
    here = pose_of(probe.pose.pose)
    stay = to_pose_stamped(here, 0, "base")
    away = to_pose_stamped(Pose(here.position + [0.2, 0.0, 0.0], here.quaternion), 0, "base")
    for number in range(8):
        intruder = Node(f"intruder{number}")
        publisher = publish_on(intruder, contract.TARGET_POSE)
        wait_until(publisher.get_subscription_count, "the driver")
        publisher.publish(away)
        intruder.destroy_node()
        for _ in range(5):
            target.publish(stay)
            rclpy.spin_once(probe, timeout_sec=0.05)
        moved = np.linalg.norm(pose_of(probe.pose.pose).position - here.position)
        assert moved < 0.003
    up = to_pose_stamped(Pose(here.position + [0.0, 0.0, 0.01], here.quaternion), 0, "base")
    probe.tell(target, up, lambda: pose_of(probe.pose.pose).position[2] > here.position[2] + 0.007)
    probe.destroy_node()


def test_no_message_ends_the_nodes_of_a_stack_and_an_unknown_task_stops_the_gate(
    probe: Probe, processes: Processes
) -> None:
    words = {"task": TASK.id, "use_sim_time": True}
    for name in ("operator", "markers"):
        processes.node("rldg_robot", name, **words)
    processes.node("rldg_robot", "viewer", port=0, **words)
    wanted = {"operator", "markers", "viewer"}
    probe.until(lambda: wanted <= set(probe.get_node_names()))
    odd = {
        contract.EPISODE: [
            Episode(task="nobody", variant="knows"),
            Episode(task="../..", variant="\0"),
            Episode(task="connector", variant="vga", status=77),
        ],
        contract.SAFETY_STATE: [SafetyState(state=99), SafetyState(reason_code=99)],
        contract.JOINT_STATES: [JointState(name=["a"], position=[1.0, float("nan")])],
        contract.TASK_STATE: [TaskState(progress=float("nan"))],
        contract.CURRENT_POSE: [to_pose_stamped(Pose(np.full(3, np.nan), [0, 0, 0, 0]), 0, "base")],
    }
    for topic, messages in odd.items():
        publisher = publish_on(probe, topic)
        probe.until(lambda p=publisher: p.get_subscription_count() > 0)
        for message in messages:
            for _ in range(3):
                publisher.publish(message)
                rclpy.spin_once(probe, timeout_sec=0.1)
    probe.until(probe.stopped)
    assert "an episode of " in probe.safety.reason and "knows" in probe.safety.reason
    assert probe.safety.reason_code == SafetyState.REASON_UNKNOWN_TASK
    for _ in range(20):
        rclpy.spin_once(probe, timeout_sec=0.05)
    assert [process.poll() for process in processes.started] == [None] * 5
    assert "is not used: there is no task" in processes.started[2].log.read_text()


def test_who_speaks_as_the_gate_is_corrected(probe: Probe) -> None:
    probe.tell(probe.stop, Empty(), probe.stopped)
    liar = publish_on(probe, contract.SAFETY_STATE)
    probe.until(lambda: liar.get_subscription_count() >= 2)  # the gate and this node
    liar.publish(SafetyState(state=SafetyState.PASS, task="connector/usb_a"))
    probe.until(lambda: probe.safety.state == SafetyState.PASS)
    probe.until(probe.stopped, 5.0)
    assert probe.safety.task == TASK.id and probe.safety.reason == "emergency stop"


def test_without_a_gate_the_terminal_says_so(processes: Processes) -> None:
    stop = processes.start(executable("rldg_robot", "gate"), "stop")
    expect_exit(stop, 2)
    assert "is a stack running?" in stop.log.read_text()


@pytest.mark.parametrize("text", ["300", "abc", "1e2", "129 ", "-1"])
def test_a_terminal_that_names_no_domain_says_so(processes: Processes, text: str) -> None:
    processes.environment["ROS_DOMAIN_ID"] = text
    stop = processes.start(executable("rldg_robot", "gate"), "stop")
    expect_exit(stop, 2)
    log = stop.log.read_text()
    assert "is no ROS domain: give a whole number" in log and "Traceback" not in log


def test_every_node_ends_on_ctrl_c(probe: Probe, processes: Processes) -> None:
    run = processes.folder / "run"
    processes.node("rldg_robot", "operator", task=TASK.id, use_sim_time=True)
    processes.node("rldg_rl", "recorder", run=run, use_sim_time=True)
    processes.node("rldg_rl", "monitor", run=run, use_sim_time=True)
    probe.until(lambda: {"operator", "recorder", "monitor"} <= set(probe.get_node_names()))
    for _ in range(20):
        probe.send(pose_of(probe.pose.pose))
    for process in processes.started:  # once each: a second signal ends Python while it ends
        process.send_signal(signal.SIGINT)
    assert [process.wait(5) for process in processes.started] == [0] * 5


def writers(node: Node, topic: contract.Topic) -> list[str]:
    """Names of the nodes that publish a topic."""
    return [info.node_name for info in node.get_publishers_info_by_topic(f"/{topic.name}")]


def test_no_other_node_writes_to_the_driver(processes: Processes, domain: int) -> None:
    """On the graph of the whole stack, as `train_rl` starts it."""
    processes.stack("train_rl", task=TASK.id, name="graph", demos=1, steps=50)
    rclpy.init()
    node = Node("onlooker")
    try:
        wait_until(
            lambda: (
                {"twin", "safety_gate", "operator", "recorder", "learner", "actor", "monitor"}
                <= set(node.get_node_names())
            ),
            "all nodes",
        )
        for topic in (contract.TARGET_POSE, contract.GRIPPER_COMMAND):
            # A publisher is discovered before the name of its node.
            wait_until(
                lambda t=topic: writers(node, t) and "_NODE_NAME_UNKNOWN_" not in writers(node, t),
                topic.name,
            )
            assert writers(node, topic) == ["safety_gate"]
    finally:
        node.destroy_node()
        rclpy.shutdown()
