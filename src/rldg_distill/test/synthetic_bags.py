# SPDX-License-Identifier: Apache-2.0
"""Bags of an arm that moves over a textured table, with a gripper in view; written as the recorder writes them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary, raw_messages, read_summary, typestore
from rldg_core.poses import Pose
from rldg_core.twist_action import twist_from_action
from rldg_rl.episodes.bag import BagWriter

PERIOD = 100_000_000
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])
START = 1_700_000_000_000_000_000
SIZE = 48
INSTRUCTION = "insert the VGA connector into the port"
_SOURCE = np.random.default_rng(0)
TABLE = gaussian_filter(_SOURCE.uniform(0, 255, (256, 256, 3)), (2, 2, 0))
GRIPPER = _SOURCE.uniform(0, 255, (20, 12, 3))


def message(kind: str, **fields: Any) -> Any:
    """A message of default values, some of them replaced."""
    store = typestore()
    values = {name: fields.get(name, _default(node)) for name, node in store.fielddefs[kind][1]}
    return store.types[kind](**values)


def _default(node: Any) -> Any:
    kind, detail = node
    if kind == 1:
        return {"string": "", "bool": False}.get(detail[0], 0.0 if "float" in detail[0] else 0)
    if kind == 2:
        return message(detail)
    base = detail[0][1][0] if detail[0][0] == 1 else None
    dtype = {"float32": "f4", "float64": "f8", "int32": "i4"}.get(base, "u1")
    return np.zeros(detail[1] if kind == 3 else 0, dtype)


def header(stamp: int, frame: str = "") -> Any:
    time = message("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return message("std_msgs/msg/Header", stamp=time, frame_id=frame)


def pose_message(pose: Pose) -> Any:
    x, y, z, w = pose.quaternion
    point = message("geometry_msgs/msg/Point", **dict(zip("xyz", pose.position, strict=True)))
    rotation = message("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)
    return message("geometry_msgs/msg/Pose", position=point, orientation=rotation)


def target(position: np.ndarray, action: np.ndarray) -> Pose:
    """Where an action (6,) leads from (2,) m, with the scales of connectors."""
    motion = Pose.from_rotvec(0.015 * action[:3].astype(float), 0.1 * action[3:].astype(float))
    return Pose(np.append(position, 0.0), UPRIGHT) @ motion


def picture(position: np.ndarray) -> np.ndarray:
    """What the camera sees from (2,) m: one pixel per mm."""
    row, column = (100 + position * 1000).astype(int)
    image = TABLE[row : row + SIZE, column : column + SIZE].copy()
    image[14:34, 18:30] = GRIPPER
    return image.astype(np.uint8)


def path_of(seed: int, steps: int) -> np.ndarray:
    """(steps + 1, 2) m: a jerky walk, so that its speed is recognised."""
    random = np.random.default_rng(seed)
    angle = random.uniform(0, 2 * np.pi, steps)
    speed = np.where(random.random(steps) < 0.5, 0.002, 0.008)
    walk = np.cumsum(speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), axis=0)
    return np.vstack([[0.0, 0.0], walk])


def write_bag(
    path: Path,
    seed: int = 0,
    steps: int = 25,
    source: str = "policy",
    success: bool = True,
    variant: str = "vga",
    instruction: str = INSTRUCTION,
    lost_image: int | None = None,
    lost_topic: contract.Topic | None = None,
    ended: bool = True,
    closed: bool = True,
    camera: Callable[[np.ndarray], np.ndarray] = picture,
    gripper: Sequence[float] = (),
    image_contract: str = "",
    wrench: float = 0.0,
    gripper_dies: int | None = None,
    domain: str = "sim",
) -> Path:
    """An episode. `lost_image` drops the image of a step, `lost_topic` every message of a topic, `ended` the closing
    message, `closed` the metadata; `camera` makes the picture of a position; `gripper` is asked for in the first
    steps, closed in the rest; `wrench` [N] is the force along x;
    from the step `gripper_dies` on its state is silent.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = BagWriter(path, image_contract)

    def put(topic: contract.Topic, stamp: int, **fields: Any) -> None:
        if topic == lost_topic:
            return
        content = message(topic.type, header=header(stamp), **fields)
        writer.write(topic.name, stamp, bytes(typestore().serialize_cdr(content, topic.type)))

    about = {
        "episode_id": path.name,
        "task": "connector",
        "variant": variant,
        "instruction": instruction,
        "source": source,
        "seed": 2**64 - 1 - seed,
        "embodiment": "fr3_hand",
        "region": "table",
        "domain": domain,
    }
    put(contract.EPISODE, START, **about)
    force = message("geometry_msgs/msg/Vector3", x=wrench)
    pressed = message("geometry_msgs/msg/Wrench", force=force)
    positions = path_of(seed, steps)
    random = np.random.default_rng(seed)
    actions = random.uniform(-0.9, 0.9, (steps, 6)).astype(np.float32)
    asked = [*gripper, *[-1.0] * steps]
    for index, position in enumerate(positions):
        stamp = START + index * PERIOD
        put(
            contract.CURRENT_POSE, stamp, pose=pose_message(Pose(np.append(position, 0.0), UPRIGHT))
        )
        put(contract.CURRENT_TWIST, stamp)
        put(contract.EXTERNAL_WRENCH, stamp, wrench=pressed)
        if gripper_dies is None or index < gripper_dies:
            put(contract.GRIPPER_STATE, stamp, width=0.02)
        if index != lost_image:
            data = camera(position)
            put(
                contract.WRIST_IMAGE,
                stamp,
                height=len(data),
                width=data.shape[1],
                step=3 * data.shape[1],
                encoding="rgb8",
                data=data.ravel(),
            )
        if index < steps:
            deflection = twist_from_action(actions[index], UPRIGHT).astype(np.float32)
            put(contract.SPACENAV_JOY, stamp, axes=deflection)
            put(
                contract.POLICY_TARGET_POSE,
                stamp,
                pose=pose_message(target(position, actions[index])),
            )
        if index:
            acted = source == "policy"
            put(
                contract.STEP,
                stamp,
                episode_id=path.name,
                index=index - 1,
                image_stamp=header(stamp - PERIOD).stamp,
                state_stamp=header(stamp - PERIOD).stamp,
                next_image_stamp=header(stamp).stamp,
                next_state_stamp=header(stamp).stamp,
                action=np.append(actions[index - 1], np.float32(asked[index - 1])),
                executed_by=0 if acted else 2,
                reward=float(success and index == steps),
                terminated=success and index == steps,
                truncated=not success and index == steps,
                policy_mean=random.normal(size=6 if acted else 0).astype(np.float32),
                policy_log_std=random.normal(size=6 if acted else 0).astype(np.float32),
                policy_version=7 if acted else 0,
            )
    if ended:
        put(contract.EPISODE, stamp, status=1 if success else 2, steps=steps, **about)
    if closed:
        status = "success" if success else "failure"
        writer.close(
            EpisodeSummary(
                *(path.name, source, status, f"connector/{variant}", seed, steps, 0, steps / 10),
                domain=domain,
            )
        )
    else:
        writer.flush()
        writer.abort()
    return path


def cut_messages(path: Path, topic: contract.Topic) -> None:
    """Cut every message of a topic off in the middle, in a bag that is whole otherwise."""
    messages, summary = list(raw_messages(path)), read_summary(path)
    shutil.rmtree(path)
    writer = BagWriter(path)
    for name, _, time, cdr in messages:
        writer.write(name, time, cdr[: len(cdr) // 2] if name == topic.name else cdr)
    writer.close(summary)


def write_run(folder: Path, count: int = 6, **options: Any) -> Path:
    """A run with `count` bags of different seeds."""
    for seed in range(count):
        write_bag(folder / "bags" / f"policy_{seed:05d}", seed=seed, **options)
    return folder
