# SPDX-License-Identifier: Apache-2.0
"""Bags made elsewhere: number by number against their known motion, and every way in which they can lack something."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from plain_bags import (
    COMPRESSED,
    IMAGE,
    JOY,
    POSE,
    Plain,
    Stream,
    copy,
    deflection,
    demonstration,
    image,
    pose,
    stamps,
    view,
)
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from scipy.spatial.transform import Rotation
from synthetic_bags import INSTRUCTION, PERIOD, START, message, pose_message, write_bag

from rldg_core import contract
from rldg_core.gripper_command import CLOSE
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.conversion.validation import faults
from rldg_distill.convert import main as convert
from rldg_distill.dataset import main as inspect
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat, decode
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.cameras import camera_topics
from rldg_distill.recordings.foreign.finger_motion import commands
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts, find_foreign

VGA = StatedFacts(task="connector/vga")
CAMERAS = {IMAGE.name: "image"}
SCALE = np.repeat(np.float32([0.015, 0.1]), 3)


def read(path: Path, stated: StatedFacts = VGA, cameras: dict[str, str] | None = None) -> Episode:
    return ConversionRecipe(ImageFormat(), cameras or CAMERAS, stated).read(path)


def latest(stamps: list[int], tick: int) -> int:
    return max(stamp for stamp in stamps if stamp <= tick)


def ticks(plain: Plain, *topics: contract.Topic) -> list[int]:
    """Of a bag whose every stream lasts to the end."""
    start = max(plain.stamps(topic)[0] for topic in topics)
    end = min(plain.stamps(topic)[-1] for topic in topics if topic is not JOY)
    return list(range(start, end + 1, PERIOD))


def refuse(path: Path, stated: StatedFacts = VGA) -> str:
    with pytest.raises(BadBag) as error:
        read(path, stated)
    return str(error.value)


def sixty(seed: int = 0) -> Plain:
    return demonstration(seed, camera=60.0)


def test_every_step_is_the_latest_message_at_or_before_its_tick(tmp_path: Path) -> None:
    plain = demonstration(camera=15.0)
    episode = read(plain.write(tmp_path / "plain"))
    expected = ticks(plain, POSE, IMAGE, JOY)
    assert len(episode) == len(expected) - 1 == 39  # the last tick closes the last step
    poses, images, pushes = (plain.stamps(topic) for topic in (POSE, IMAGE, JOY))
    begin = pose(latest(poses, expected[0]))
    for index, tick in enumerate(expected[:-1]):
        seen, measured = latest(images, tick), latest(poses, tick)
        assert episode.image_stamp[index] == seen
        assert episode.state_stamp[index] == measured
        np.testing.assert_array_equal(decode(episode.images["image"][index]), view(seen))
        relative = begin.inverse() @ pose(measured)
        np.testing.assert_allclose(episode.state[index, :3], relative.position, atol=1e-7)
        np.testing.assert_allclose(episode.state[index, 3:6], relative.rotvec, atol=1e-7)
        to_tcp = Rotation.from_quat(pose(measured).quaternion).inv()
        push = deflection(latest(pushes, tick)).astype(float)
        twist = np.concatenate([to_tcp.apply(push[:3]), to_tcp.apply(push[3:])])
        np.testing.assert_allclose(
            episode.action[index, :6], np.clip(twist, -1, 1) * SCALE, atol=1e-7
        )
    nearest = [min(images, key=lambda stamp: abs(stamp - tick)) for tick in expected[:-1]]
    assert sum(n != s for n, s in zip(nearest, episode.image_stamp, strict=True)) > 5
    assert not episode.action[:, 6].any()


def test_what_the_steps_say_of_themselves(tmp_path: Path) -> None:
    won = read(demonstration().write(tmp_path / "won"))
    lost = read(demonstration().write(tmp_path / "lost"), replace(VGA, status="failure"))
    assert won.is_first.tolist() == [True] + [False] * (len(won) - 1)
    for episode in (won, lost):
        assert episode.is_last.tolist() == [False] * (len(won) - 1) + [True]
        assert (episode.executed_by == 2).all() and (episode.teacher_version == -1).all()
        assert episode.instruction == [INSTRUCTION] * len(won)
        assert episode.metadata.source == "recorded" and episode.metadata.domain == "real"
    assert won.is_terminal[-1] and won.reward.tolist() == [0.0] * (len(won) - 1) + [1.0]
    assert won.discount[-1] == 0.0 and won.metadata.success
    assert not lost.is_terminal.any() and not lost.reward.any() and lost.discount.all()


def moved(stamp: int) -> Pose:
    """Where somebody wants the arm to be."""
    return pose(stamp) @ Pose.from_rotvec([0.004, -0.003, 0.002], [0.01, 0.02, -0.03])


@pytest.mark.parametrize("topic", [contract.POLICY_TARGET_POSE, contract.TARGET_POSE])
def test_actions_from_recorded_targets(tmp_path: Path, topic: contract.Topic) -> None:
    plain = demonstration()
    targets = plain.stamps(JOY)[::3]
    plain.streams[topic.name] = Stream(
        topic.type, {s: {"pose": pose_message(moved(s))} for s in targets}
    )
    episode = read(plain.write(tmp_path / "plain"))
    poses = plain.stamps(POSE)
    for index, tick in enumerate(ticks(plain, POSE, IMAGE, topic)[:-1]):
        measured = pose(latest(poses, tick))
        wanted = measured.inverse() @ moved(latest(targets, tick))
        np.testing.assert_allclose(episode.action[index, :3], wanted.position, atol=1e-7)
        np.testing.assert_allclose(episode.action[index, 3:6], wanted.rotvec, atol=1e-7)


@pytest.mark.parametrize("recorded", [True, False])
def test_actions_from_the_motion_where_no_command_is_or_none_is_wanted(
    tmp_path: Path, recorded: bool
) -> None:
    plain = demonstration()
    if not recorded:
        del plain.streams[JOY.name]
    stated = replace(VGA, action="motion") if recorded else VGA
    episode = read(plain.write(tmp_path / "plain"), stated)
    poses = plain.stamps(POSE)
    found = [pose(latest(poses, tick)) for tick in ticks(plain, POSE, IMAGE)]
    assert len(episode) == len(found) - 1
    for index, (before, after) in enumerate(pairwise(found)):
        motion = before.inverse() @ after
        np.testing.assert_allclose(episode.action[index, :3], motion.position, atol=1e-7)
        np.testing.assert_allclose(episode.action[index, 3:6], motion.rotvec, atol=1e-7)


def test_what_was_not_recorded_is_zero_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        demonstration(seed).write(tmp_path / "bags" / f"plain_{seed}")
    out = tmp_path / "demos"
    assert (
        convert([str(tmp_path / "bags"), "--out", str(out), "--recorded", "task=connector/vga"])
        == 0
    )
    reason = capsys.readouterr().err
    zero = "zero in the state: current_twist, external_wrench, gripper/state"
    assert (
        "recorded elsewhere: 2 bag(s), resampled, connector/vga, success, actions from spacenav/joy, "
        f"header time, {zero}" in reason
    )
    dataset = Dataset(out)
    about = dataset.contract.recorded.bags["tmp/plain_0".replace("tmp", tmp_path.name)]
    assert about["action"] == "spacenav/joy" and about["status"] == "success"
    assert about["zero"] == ["current_twist", "external_wrench", "gripper/state"]
    assert "latest message at or before" in dataset.contract.recorded.resampling
    for name in dataset.shards:
        for episode in dataset.episodes(name):
            assert not episode.state[:, 6:].any() and episode.state[:, :6].any()


def test_twist_wrench_and_fingers_are_in_the_state(tmp_path: Path) -> None:
    plain = demonstration()
    poses = plain.stamps(POSE)
    three = message("geometry_msgs/msg/Vector3", x=1.0, y=2.0, z=3.0)
    slow = message("geometry_msgs/msg/Vector3", x=0.1, y=0.2, z=0.3)  # as fast as the poses go
    twist = message("geometry_msgs/msg/Twist", linear=slow, angular=slow)
    wrench = message("geometry_msgs/msg/Wrench", force=three, torque=three)
    for topic, values in (
        (contract.CURRENT_TWIST, {"twist": twist}),
        (contract.EXTERNAL_WRENCH, {"wrench": wrench}),
    ):
        plain.streams[topic.name] = Stream(topic.type, dict.fromkeys(poses, values))
    # The arm and the gripper speak on the same topic, as joint_state_broadcaster and franka_gripper may.
    arm = {"name": ["fr3_joint1"], "position": np.array([0.5])}
    fingers = {"name": ["fr3_finger_joint1", "fr3_finger_joint2"], "position": np.full(2, 0.015)}
    joints = dict.fromkeys(poses, arm) | {s + 1: fingers for s in poses[5::20]}
    plain.streams[contract.JOINT_STATES.name] = Stream(contract.JOINT_STATES.type, joints)
    bag = plain.write(tmp_path / "plain")
    episode = read(bag)
    assert find_foreign(bag, VGA).zero == ()
    for index, stamp in enumerate(episode.state_stamp):
        to_tcp = Rotation.from_quat(pose(int(stamp)).quaternion).inv()
        expected = to_tcp.apply([0.1, 0.2, 0.3])
        np.testing.assert_allclose(episode.state[index, 6:12], np.tile(expected, 2), atol=1e-6)
        np.testing.assert_allclose(episode.state[index, 12:18], [1, 2, 3, 1, 2, 3])
        np.testing.assert_allclose(episode.state[index, 18], 0.03)
    plain.streams[contract.JOINT_STATES.name].messages = dict.fromkeys(poses, arm)
    assert find_foreign(plain.write(tmp_path / "arm"), VGA).zero == ("gripper/state",)


def test_streams_without_stamps_go_by_the_time_of_recording(tmp_path: Path) -> None:
    plain = demonstration()
    plain.streams[IMAGE.name].stamped = False
    delay = plain.streams[IMAGE.name].delay
    images = [stamp + delay for stamp in plain.stamps(IMAGE)]
    episode = read(plain.write(tmp_path / "plain"))
    start = images[0]
    for index, stamp in enumerate(episode.image_stamp):
        assert stamp == latest(images, start + index * PERIOD)
        np.testing.assert_array_equal(
            decode(episode.images["image"][index]), view(int(stamp) - delay)
        )


def test_two_clocks_are_refused_and_the_time_of_recording_helps(tmp_path: Path) -> None:
    plain = demonstration()
    fast = plain.streams[IMAGE.name]
    shift = 3_000_000_000
    fast.messages = {stamp + shift: values for stamp, values in fast.messages.items()}
    fast.delay -= shift
    bag = plain.write(tmp_path / "plain")
    reason = refuse(bag)
    assert f"{IMAGE.name} has stamps 3.00 s off" in reason or "2.98 s off" in reason, reason
    assert "--recorded clock=log" in reason
    episode = read(bag, replace(VGA, clock="log"))
    received = [stamp + fast.delay for stamp in plain.stamps(IMAGE)]
    begin = max(s.delay + min(s.messages) for s in plain.streams.values())
    expected = [latest(received, begin + i * PERIOD) for i in range(len(episode))]
    assert episode.image_stamp.tolist() == expected


def test_commands_that_end_early_are_reported_and_a_single_one_is_none_of_every_step(
    tmp_path: Path,
) -> None:
    plain = demonstration()
    plain.keep(JOY, 0.0, 2.5)
    episode = read(plain.write(tmp_path / "lets_go"))
    assert len(episode) == 25
    (remark,) = episode.remarks
    assert remark.startswith("ends 1.4") and "where spacenav/joy ends" in remark
    plain.keep(JOY, 0.0, 0.05)
    reason = refuse(plain.write(tmp_path / "once"))
    assert "after 1 step(s)" in reason and "--recorded action=motion" in reason
    assert len(read(plain.write(tmp_path / "motion"), replace(VGA, action="motion"))) == 39
    assert "=/current_pose" not in refuse(tmp_path / "motion", replace(VGA, action="target_pose"))


def test_a_stream_that_stops_ends_late_or_never_meets_the_others(tmp_path: Path) -> None:
    silent = sixty()
    messages = silent.streams[IMAGE.name].messages
    silent.streams[IMAGE.name].messages = {
        s: m for s, m in messages.items() if not START + 1e9 < s < START + 1.9e9
    }
    assert "step 15: the latest message of wrist_camera/color/image_raw is 0.5" in refuse(
        silent.write(tmp_path / "silent")
    )
    dead = sixty()
    dead.keep(IMAGE, 0.0, 2.0)
    assert "wrist_camera/color/image_raw ends 2.0" in refuse(dead.write(tmp_path / "dead"))
    apart = demonstration()
    apart.keep(IMAGE, 3.95, 4.0)
    apart.keep(POSE, 0.0, 3.98)
    assert "no control step in which all its streams run: current_pose 0.00 to" in refuse(
        apart.write(tmp_path / "apart")
    )
    let_go = demonstration()
    let_go.keep(JOY, 0.0, 2.0)
    late = demonstration()
    late.keep(IMAGE, 1.0, 4.0)
    assert len(read(let_go.write(tmp_path / "let_go"))) == 20
    assert len(read(late.write(tmp_path / "late"))) == 29


def test_topics_of_other_names_and_types(tmp_path: Path) -> None:
    plain = demonstration()
    plain.rename(POSE, "franka_robot_state_broadcaster/current_pose")
    plain.rename(IMAGE, "camera/camera/color/image_raw")
    bag = plain.write(tmp_path / "plain")
    reason = refuse(bag)
    assert "has no current_pose" in reason
    assert "--topic current_pose=/franka_robot_state_broadcaster/current_pose" in reason
    half = replace(VGA, topics={POSE.name: "franka_robot_state_broadcaster/current_pose"})
    assert "--topic wrist_camera/color/image_raw=/camera/camera/color/image_raw" in refuse(
        bag, half
    )
    whole = StatedFacts.parse(
        ["task=connector/vga"],
        [
            "current_pose=/franka_robot_state_broadcaster/current_pose",
            "wrist_camera/color/image_raw=/camera/camera/color/image_raw",
        ],
    )
    same = read(demonstration().write(tmp_path / "same"))
    np.testing.assert_array_equal(read(bag, whole).action, same.action)
    typo = replace(whole, topics=whole.topics | {POSE.name: "franka/pose"})
    assert "has no franka/pose, given for current_pose. Say which" in refuse(bag, typo)

    wrong = demonstration()
    wrong.streams[POSE.name] = wrong.streams[JOY.name]
    reason = refuse(wrong.write(tmp_path / "wrong"))
    assert "has current_pose as sensor_msgs/msg/Joy, current_pose is a geometry_msgs" in reason
    assert "None of its topics is a geometry_msgs/msg/PoseStamped" in reason
    assert "spacenav/joy (sensor_msgs/msg/Joy)" in reason
    # A command under the contract's name, but of another type, is somebody else's.
    other = demonstration()
    other.streams[contract.TARGET_POSE.name] = other.streams[JOY.name]
    found = find_foreign(other.write(tmp_path / "other"), VGA)
    assert found.stated.action == "spacenav/joy"


def test_a_hand_with_few_axes_and_a_pose_that_is_none(tmp_path: Path) -> None:
    gamepad = demonstration()
    for values in gamepad.streams[JOY.name].messages.values():
        values["axes"] = np.zeros(2, np.float32)
    assert "spacenav/joy has 2 axes" in refuse(gamepad.write(tmp_path / "gamepad"))
    lost = demonstration()
    point = message("geometry_msgs/msg/Pose")
    for values in lost.streams[POSE.name].messages.values():
        values["pose"] = point  # the quaternion of an unset message: all zero
    assert "step 0: current_pose is no pose" in refuse(lost.write(tmp_path / "lost"))


def test_what_a_bag_says_of_itself_goes_before_what_the_user_says(tmp_path: Path) -> None:
    mute = demonstration().write(tmp_path / "mute")
    assert "does not name its task: --recorded task=connector/vga" in refuse(mute, StatedFacts())
    plain = demonstration()
    plain.custom = {"task": "connector/usb_a", "status": "failure", "domain": "lab_b"}
    metadata = read(plain.write(tmp_path / "custom")).metadata
    assert metadata.task_id == "connector/usb_a"
    assert (metadata.success, metadata.domain, metadata.region) == (False, "lab_b", "table")
    plain.custom = {"task": "connector/scart"}
    assert "has in the custom_data of its metadata.yaml no task 'connector/scart'" in refuse(
        plain.write(tmp_path / "wrong")
    )


def test_an_episode_message_tells_span_and_outcome(tmp_path: Path) -> None:
    def spoken(status: int) -> dict[str, Any]:
        about = {"episode_id": "demo", "task": "connector", "variant": "hdmi", "seed": 5}
        return about | {"status": status, "instruction": "plug it in", "domain": "lab_c"}

    plain = demonstration()
    opened, closed = START + 1_000_000_000, START + 3_000_000_000
    plain.streams[contract.EPISODE.name] = Stream(
        contract.EPISODE.type, {opened: spoken(0), closed: spoken(2)}
    )
    episode = read(plain.write(tmp_path / "plain"))
    assert len(episode) == 20 and opened - 5e6 < episode.state_stamp[0] <= opened
    metadata = episode.metadata
    assert (metadata.task_id, metadata.seed, metadata.domain) == ("connector/hdmi", 5, "lab_c")
    assert not metadata.success and episode.instruction[0] == "plug it in"
    two = plain.streams[contract.EPISODE.name].messages
    two[closed] = spoken(9)
    assert "has the unknown status 9 in episode" in refuse(plain.write(tmp_path / "status"))
    two[closed] = spoken(1) | {"instruction": " "}
    assert (
        read(plain.write(tmp_path / "unsaid")).instruction[0]
        == load_task("connector/hdmi").instruction
    )
    two[closed + 1] = spoken(0) | {"episode_id": "another"}
    assert "several episodes" in refuse(plain.write(tmp_path / "two"))


@pytest.mark.parametrize(
    ("plugin", "mode"),
    [
        (StoragePlugin.MCAP, CompressionMode.STORAGE),
        (StoragePlugin.MCAP, CompressionMode.FILE),
        (StoragePlugin.MCAP, CompressionMode.MESSAGE),
        (StoragePlugin.SQLITE3, CompressionMode.NONE),
        (StoragePlugin.SQLITE3, CompressionMode.FILE),
    ],
)
def test_every_storage_is_read(
    tmp_path: Path, plugin: StoragePlugin, mode: CompressionMode
) -> None:
    plain = demonstration(seconds=1.0)
    expected = read(plain.write(tmp_path / "plain"))
    found = read(plain.write(tmp_path / "other", plugin, mode))
    assert list(found.images["image"]) == list(expected.images["image"])
    np.testing.assert_array_equal(found.action, expected.action)


def test_a_split_bag_whose_metadata_tells_another_qos(tmp_path: Path) -> None:
    plain = demonstration(seconds=2.0)
    expected = read(plain.write(tmp_path / "whole"))
    ever = {"sec": 2147483647, "nsec": 4294967295}
    qos = {"history": "keep_last", "depth": 5, "reliability": "reliable", "durability": "volatile"}
    qos |= {"deadline": ever, "lifespan": ever, "liveliness": "automatic"}
    qos |= {"liveliness_lease_duration": ever, "avoid_ros_namespace_conventions": False}
    halves = []
    for name, start, end in (("first", 0.0, 1.0), ("second", 1.0, 2.0)):
        half = demonstration(seconds=2.0)
        for topic in (POSE, IMAGE, JOY):
            half.keep(topic, start, end)
        halves.append(half.write(tmp_path / name))
    bag = tmp_path / "split"
    bag.mkdir()
    metadata = yaml.safe_load((halves[0] / "metadata.yaml").read_text())
    about = metadata["rosbag2_bagfile_information"]
    about["relative_file_paths"] = []
    for index, half in enumerate(halves):
        name = f"split_{index}.mcap"
        (bag / name).write_bytes((half / f"{half.name}.mcap").read_bytes())
        about["relative_file_paths"].append(name)
    for entry in about["topics_with_message_count"]:
        entry["topic_metadata"]["offered_qos_profiles"] = [qos]
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))
    found = read(bag)
    assert list(found.images["image"]) == list(expected.images["image"])
    np.testing.assert_array_equal(found.action, expected.action)


def test_damage_is_reported(tmp_path: Path) -> None:
    cut = demonstration().write(tmp_path / "cut")
    file = cut / "cut.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert "cannot be read (File end magic is invalid.)" in refuse(cut)
    killed = demonstration().write(tmp_path / "killed")
    (killed / "metadata.yaml").unlink()
    whole = (killed / "killed.mcap").read_bytes()
    (killed / "killed.mcap").write_bytes(whole[: len(whole) // 2])
    assert "`ros2 bag reindex` repairs a bag of `ros2 bag record`" in refuse(killed)
    odd = demonstration().write(tmp_path / "odd")
    (odd / "metadata.yaml").write_text("rosbag2_bagfile_information: {version: 9}")
    assert "has a damaged metadata.yaml" in refuse(odd)


@pytest.mark.parametrize("topic", [POSE, IMAGE, contract.POLICY_TARGET_POSE, contract.EPISODE])
def test_damaged_messages_end_one_bag_not_the_conversion(
    tmp_path: Path, topic: contract.Topic, capsys: pytest.CaptureFixture[str]
) -> None:
    bags = tmp_path / "bags"
    for seed in range(2):
        write_bag(bags / f"whole_{seed}", seed, steps=8)
    copy(bags / "whole_0", bags / "plain", [contract.STEP])
    copy(bags / "whole_0", bags / "a_damaged", [contract.STEP], cut=topic)
    assert convert([str(bags), "--out", str(tmp_path / "rest"), "--val", "0.5"]) == 3
    assert "bags/a_damaged: holds a damaged message" in capsys.readouterr().err
    assert sum(Dataset(tmp_path / "rest").lengths.values()) == 3


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", **options)
    return stream.getvalue()


def compress(plain: Plain, name: str) -> dict[int, bytes]:
    """Turn the images into JPEGs of a topic; returns them by stamp."""
    stream = plain.streams.pop(IMAGE.name)
    files = {s: jpeg(view(s), quality=60) for s in stream.messages}
    plain.streams[name] = Stream(
        COMPRESSED,
        {
            s: {"format": "rgb8; jpeg compressed bgr8", "data": np.frombuffer(d, np.uint8)}
            for s, d in files.items()
        },
    )
    return files


def test_compressed_images_are_decoded_or_kept_as_they_are(tmp_path: Path) -> None:
    plain = demonstration()
    files = compress(plain, f"{IMAGE.name}/compressed")
    bag = plain.write(tmp_path / "plain")
    lossless = read(bag)
    kept = ConversionRecipe(ImageFormat("jpeg", 95), CAMERAS, VGA).read(bag)
    for index, stamp in enumerate(kept.image_stamp.tolist()):
        assert kept.images["image"][index] == files[stamp]
        png = lossless.images["image"][index]
        assert png.startswith(b"\x89PNG")
        np.testing.assert_array_equal(decode(png), decode(files[stamp]))


def test_grey_and_broken_compressed_images(tmp_path: Path) -> None:
    plain = demonstration()
    compress(plain, f"{IMAGE.name}/compressed")
    values = plain.streams[f"{IMAGE.name}/compressed"].messages
    for fields in values.values():
        fields["data"] = np.frombuffer(jpeg(np.full((48, 48), 90, np.uint8)), np.uint8)
    grey = ConversionRecipe(ImageFormat("jpeg", 95), CAMERAS, VGA).read(
        plain.write(tmp_path / "grey")
    )
    assert Image.open(io.BytesIO(grey.images["image"][0])).mode == "RGB"
    for fields in values.values():
        fields["data"] = fields["data"][:100]
    assert "not an image" in refuse(plain.write(tmp_path / "broken"))


def test_depth_and_doubles_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        plain = demonstration(seed)
        front = plain.streams[IMAGE.name]
        # As large as the robot shows them: they are stored as they are.
        for stamp in front.messages:
            large = Image.fromarray(view(stamp, seed)).resize((128, 128))
            front.messages[stamp] = image(np.asarray(large))
        plain.streams["front/color/image_raw"] = front
        depth = image(np.zeros((48, 48, 2), np.uint8)) | {"encoding": "16UC1"}
        plain.streams["camera/depth/image_rect_raw"] = Stream(
            IMAGE.type, dict.fromkeys(front.messages, depth)
        )
        packed = {"format": "16UC1; compressedDepth png", "data": np.zeros(20, np.uint8)}
        plain.streams["camera/depth/image_rect_raw/compressedDepth"] = Stream(
            COMPRESSED, dict.fromkeys(front.messages, packed)
        )
        double = {"format": "jpeg", "data": np.frombuffer(jpeg(view(START)), np.uint8)}
        plain.streams["front/color/image_raw/compressed"] = Stream(
            COMPRESSED, dict.fromkeys(front.messages, double)
        )
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    out = tmp_path / "demos"
    assert (
        convert([str(tmp_path / "bags"), "--out", str(out), "--recorded", "task=connector/vga"])
        == 0
    )
    reason = capsys.readouterr().err
    assert "left out: topic camera/depth/image_rect_raw, depth" in reason
    assert Dataset(out).contract.left_out_topics == {
        "camera/depth/image_rect_raw": "depth",
        "camera/depth/image_rect_raw/compressedDepth": "depth",
        "front/color/image_raw/compressed": "the same as front/color/image_raw",
    }
    assert Dataset(out).cameras == ["front", "image"]
    episode = next(Dataset(out).episodes("val"))
    assert episode.images["front"] == episode.images["image"]


@pytest.mark.parametrize(("having", "cameras"), [((1, 2), ["front", "image"]), ((2,), ["image"])])
def test_which_bag_is_the_first_decides_about_no_camera(
    tmp_path: Path,
    having: tuple[int, ...],
    cameras: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for seed in range(3):
        plain = demonstration(seed, seconds=1.0)
        if seed in having:
            plain.streams["front/color/image_raw"] = plain.streams[IMAGE.name]
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    out = tmp_path / "demos"
    facts = ["--recorded", "task=connector/vga"]
    code = convert([str(tmp_path / "bags"), "--out", str(out), *facts])
    said = capsys.readouterr().err
    assert Dataset(out).cameras == cameras
    assert ("plain_0: has no message of front/color/image_raw" in said) == (code == 3), said
    assert ("topic front/color/image_raw, not alike in most of 3 bags" in said) == (code == 0), said


def test_the_compressed_twin_may_be_the_one_that_is_wanted(tmp_path: Path) -> None:
    plain = demonstration(seconds=1.0)
    raw = plain.streams[IMAGE.name]
    files = compress(plain, "front/compressed")
    plain.streams["front"] = raw
    bag = plain.write(tmp_path / "plain")
    stated = replace(VGA, topics={IMAGE.name: "front/compressed"})
    assert camera_topics(bag, find_foreign(bag, stated)) == (
        {IMAGE.name},
        {"front": "the same as front/compressed"},
    )
    episode = read(bag, stated)
    first = files[int(episode.image_stamp[0])]
    np.testing.assert_array_equal(decode(episode.images["image"][0]), decode(first))


def test_our_own_bags_extra_cameras_may_be_compressed(tmp_path: Path) -> None:
    own = write_bag(tmp_path / "plain" / "policy_00000", steps=9)
    topic = "front/color/image_raw/compressed"
    plain = demonstration(seconds=1.0)
    files = compress(plain, topic)
    early = {stamp - 40_000_000: data for stamp, data in files.items()}
    front = plain.streams[topic]
    front.messages = dict(zip(early, front.messages.values(), strict=True))
    plain.streams = {topic: front}
    bag = copy(own, tmp_path / "both" / "policy_00000", [], plain.write(tmp_path / "extra"))
    episode = read(bag, cameras=CAMERAS | {topic: "front"})
    assert episode.metadata.source == "policy" and len(episode) == 9
    for index, stamp in enumerate(episode.image_stamp.tolist()):
        expected = decode(early[latest(sorted(early), stamp)])
        np.testing.assert_array_equal(decode(episode.images["front"][index]), expected)


def test_our_own_bag_stripped_gives_the_same_episode(tmp_path: Path) -> None:
    own = write_bag(tmp_path / "run" / "bags" / "policy_00000")
    original = read(own)
    labels = (contract.STEP, contract.EPISODE)
    reason = refuse(copy(own, tmp_path / "labelled", [contract.EPISODE]))
    assert "holds messages of step, but no contract_version" in reason
    aimed = read(copy(own, tmp_path / "aimed", labels))
    pushed = read(copy(own, tmp_path / "pushed", [*labels, contract.POLICY_TARGET_POSE]))
    for found in (aimed, pushed):
        assert list(found.images["image"]) == list(original.images["image"])
        np.testing.assert_array_equal(found.state, original.state)
        np.testing.assert_array_equal(found.image_stamp, original.image_stamp)
        np.testing.assert_array_equal(found.state_stamp, original.state_stamp)
        np.testing.assert_array_equal(found.reward, original.reward)
    np.testing.assert_allclose(aimed.action, original.action, atol=2e-8)  # through float64 poses
    np.testing.assert_array_equal(pushed.action, original.action)


def test_filters_take_them_together_with_our_own(tmp_path: Path) -> None:
    bags = tmp_path / "mixed" / "bags"
    for seed in range(2):
        write_bag(bags / f"policy_{seed}", seed, steps=4)
        demonstration(seed, seconds=1.0).write(bags / f"vga_{seed}")
        plain = demonstration(seed, seconds=1.0)
        plain.custom = {"task": "connector/usb_a", "status": "failure"}
        plain.write(bags / f"usb_{seed}")

    def converted(*options: str) -> set[str]:
        out = tmp_path / "filtered"
        facts = ("--recorded", "task=connector/vga")
        assert convert([str(bags), "--out", str(out), "--overwrite", *facts, *options]) == 0
        dataset = Dataset(out)
        found = [e for name in dataset.shards for e in dataset.episodes(name)]
        names = {e.metadata.bag.split("/")[1] for e in found}
        assert {n.split("/")[1] for n in dataset.contract.recorded.bags} == {
            n for n in names if not n.startswith("policy")
        }
        return {name.split("_")[0] for name in names}

    assert converted() == {"policy", "vga"}
    assert converted("--source", "recorded") == {"vga"}
    assert converted("--status", "failure") == {"usb"}
    assert converted("--source", "recorded", "--status", "all") == {"vga", "usb"}
    assert converted("--status", "all", "--task", "connector/usb_a") == {"usb"}
    # Workers are told too, and say the same.
    alone = converted("--status", "all", "--shard-episodes", "1", "--workers", "1")
    files = {p.name: p.read_bytes() for p in (tmp_path / "filtered" / "1.0.0").iterdir()}
    assert converted("--status", "all", "--shard-episodes", "1", "--workers", "2") == alone
    assert {p.name: p.read_bytes() for p in (tmp_path / "filtered" / "1.0.0").iterdir()} == files


@pytest.mark.parametrize("camera", [15.0, 30.0, 60.0])
def test_a_dataset_of_them_is_sound_and_equals_its_bags(
    tmp_path: Path, camera: float, capsys: pytest.CaptureFixture[str]
) -> None:
    bags, out = tmp_path / "bags", tmp_path / "demos"
    for seed in range(4):
        plain = demonstration(seed, camera=camera)
        plain.rename(POSE, "franka/current_pose")
        plain.write(bags / f"plain_{seed}")
    names = ("--topic", "current_pose=/franka/current_pose")
    facts = ("--recorded", "task=connector/vga", "--recorded", "action=motion")
    assert convert([str(bags), "--out", str(out), *names, *facts]) == 0
    capsys.readouterr()
    code = inspect(["validate", str(out), "--bags", str(bags)])
    assert code == 0, capsys.readouterr().out
    assert inspect(["info", str(out)]) == 0
    assert "recorded  success" in capsys.readouterr().out


def test_a_step_that_a_dataset_lost_is_found(tmp_path: Path) -> None:
    episode = read(demonstration(camera=15.0).write(tmp_path / "plain"))
    assert list(faults(episode, PERIOD)) == []
    kept = np.arange(len(episode)) != 5
    without = {name: getattr(episode, name)[kept] for name in ("image_stamp", "state_stamp")}
    assert any(
        "step 5: 1 frame(s)" in fault for fault in faults(replace(episode, **without), PERIOD)
    )


@pytest.mark.parametrize("rate", [12.0, 15.0])
def test_an_arm_that_speaks_seldom_loses_no_step(tmp_path: Path, rate: float) -> None:
    plain = demonstration()
    rows = plain.streams[POSE.name].messages
    often = np.array(sorted(rows))
    kept = often[np.searchsorted(often, stamps(rate, 3.9, 2, 0.3, 0.0))].tolist()
    plain.streams[POSE.name].messages = {stamp: rows[stamp] for stamp in kept}
    episode = read(plain.write(tmp_path / "plain"))
    assert (np.diff(episode.state_stamp) > 1.5 * PERIOD).any()
    assert not [fault for fault in faults(episode, PERIOD) if "dropped" in fault]


def test_a_camera_that_is_too_slow_is_found_by_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bags, out = tmp_path / "bags", tmp_path / "demos"
    for seed in range(2):
        demonstration(seed, camera=5.0).write(bags / f"plain_{seed}")
    assert convert([str(bags), "--out", str(out), "--recorded", "task=connector/vga"]) == 0
    assert inspect(["validate", str(out)]) == 3
    assert "the image is not newer than the one before" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--recorded", "task=connector/scart"],
            "no task 'connector/scart'; there are: connector/",
        ),
        (["--recorded", "colour=red"], "no fact 'colour' about a bag; there are: task, status"),
        (["--recorded", "status=won"], "no status 'won'; there are: success, failure, aborted"),
        (["--recorded", "action=guess"], "no action 'guess'; there are: policy/target_pose"),
        (["--recorded", "task"], "'task' is not NAME=VALUE"),
        (["--topic", "pose=/franka"], "no topic 'pose' in the contract; there are: current_pose"),
    ],
)
def test_wrong_options_are_answered_with_the_valid_ones(
    tmp_path: Path, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        convert([str(tmp_path), "--out", str(tmp_path / "x"), *arguments])
    assert reason in capsys.readouterr().err


# --- the gripper -----------------------------------------------------------------------------------------------------

PEPPER = StatedFacts(task="pick_place/pepper", action="motion")


def grasp(object_width: float) -> Plain:
    """The fingers close onto something from 1 s on, with 0.1 m/s, and open from 3 s on."""

    def width(stamp: int) -> float:
        t = (stamp - START) / 1e9
        way = 0.1 * (t - 1.0) if t < 3.0 else 0.08 - object_width - 0.1 * (t - 3.0)
        return 0.08 - float(np.clip(way, 0.0, 0.08 - object_width))

    plain = demonstration()
    messages = {s: {"width": width(s)} for s in plain.stamps(POSE)[::4]}
    plain.streams[contract.GRIPPER_STATE.name] = Stream(contract.GRIPPER_STATE.type, messages)
    return plain


def ask(plain: Plain, topic: contract.Topic, **widths: float) -> None:
    """The gripper is asked for widths; `at_1_0=0.08` after one second."""
    moments = {START + round(float(at[3:].replace("_", ".")) * 1e9): w for at, w in widths.items()}
    messages = {stamp: {"width": width} for stamp, width in moments.items()}
    plain.streams[topic.name] = Stream(topic.type, messages)


def opened(plain: Plain, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Ends [s] of the steps, and whether the gripper is asked to be open in them."""
    episode = read(plain.write(path), PEPPER)
    ends = np.array(ticks(plain, POSE, IMAGE)[1 : len(episode) + 1])
    return (ends - START) / 1e9, episode.action[:, 6]


@pytest.mark.parametrize("object_width", [0.03, 0.06])
def test_fingers_tell_what_they_were_asked_for_by_where_they_are_heading(
    tmp_path: Path, object_width: float
) -> None:
    ends, found = opened(grasp(object_width), tmp_path / "plain")
    expected = ~((ends > 1.0) & (ends < 3.0))
    off = np.flatnonzero(found != expected)
    # A movement that begins just before a tick has not reached 0.5 mm at it.
    assert all(min(abs(ends[i] - 1.0), abs(ends[i] - 3.0)) < 0.05 for i in off) and len(off) <= 2


def test_gripper_commands_go_before_the_measured_width(tmp_path: Path) -> None:
    plain = grasp(0.06)
    ask(plain, contract.GRIPPER_COMMAND, at_0_5=0.0, at_2_5=0.08)
    ends, found = opened(plain, tmp_path / "driver")
    begins = ends - 0.1
    np.testing.assert_array_equal(found, ~((begins >= 0.5) & (begins < 2.5)))
    ask(plain, contract.POLICY_GRIPPER, at_0_7=0.0, at_2_7=0.08)
    _, found = opened(plain, tmp_path / "policy")
    np.testing.assert_array_equal(found, ~((begins >= 0.7) & (begins < 2.7)))


@pytest.mark.parametrize(("before", "held"), [(0.0, False), (0.08, True)])
def test_a_command_from_before_the_bag_counts_where_the_fingers_agree(
    tmp_path: Path, before: float, held: bool
) -> None:
    plain = grasp(0.06)
    fingers = opened(plain, tmp_path / "fingers")[1]
    ask(plain, contract.GRIPPER_COMMAND, **{"at_-6_4": before})
    _, found = opened(plain, tmp_path / "plain")
    # Asked to close, and still fully open: a reset opened it since.
    np.testing.assert_array_equal(found, np.ones(len(found)) if held else fingers)


@pytest.mark.parametrize(
    ("millimetres", "closed"),
    [
        ([30, 30, 30], "111"),
        ([50, 50, 50], "000"),
        ([80, 79.8, 80, 79.9], "0000"),  # noise
        (
            [80, 75, 60, 61, 61, 61, 66, 80],
            "11111000",
        ),  # it gives on impact, and is let go of later
        ([80, 60, 50, 51.5, 50, 50], "111111"),
        ([80, 78.5, 77, 76, 76], "11111"),  # slow
    ],
)
def test_fingers_that_give_or_tremble_were_asked_for_nothing(
    millimetres: list[float], closed: str
) -> None:
    found = commands(np.array(millimetres) / 1000)
    assert "".join("1" if command == CLOSE else "0" for command in found) == closed


def test_a_gripper_that_a_task_opens_needs_its_width(tmp_path: Path) -> None:
    reason = refuse(demonstration().write(tmp_path / "plain"), PEPPER)
    assert "does not record the gripper's width" in reason and "record gripper/state" in reason
