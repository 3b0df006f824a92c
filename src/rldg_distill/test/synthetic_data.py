# SPDX-License-Identifier: Apache-2.0
"""Small datasets in which the picture tells the action: a bright square stands where the arm is to go."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rldg_distill.conversion.shard import to_example
from rldg_distill.datasets import image_codec, rlds, statistics
from rldg_distill.datasets.episode import Episode, EpisodeMetadata, arm_scale
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.tfrecord import write_record

SIZE = 32
TOPIC = "wrist_camera/color/image_raw"
WORDS = {"vga": "insert the VGA connector", "usb_a": "insert the USB-A connector"}


def picture(aim: np.ndarray, step: int) -> bytes:
    """From (2,) in -1 to 1. The step's number is in the first pixel."""
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    row, column = (13 + 10 * aim).astype(int)
    image[row : row + 6, column : column + 6] = (250, 200, 30)
    image[0, 0] = step
    return image_codec.encode(image, ImageFormat())


def episode(number: int, steps: int, variant: str = "vga", taught: bool = True) -> Episode:
    """The state's first entry is the episode, its second the step."""
    random = np.random.default_rng([number, steps])
    aims = random.uniform(-1, 1, (steps, 2))
    mean = np.zeros((steps, 7), np.float32)
    mean[:, :2] = np.arctanh(aims * 0.9)
    state = random.normal(size=(steps, 19)).astype(np.float32)
    state[:, 0], state[:, 1] = number, np.arange(steps)
    action = np.zeros((steps, 7), np.float32)
    action[:, :2] = aims * 0.9 * 0.015
    ends = np.arange(steps) == steps - 1
    return Episode(
        metadata=EpisodeMetadata(
            "connector", variant, "policy", number, True, "fr3_hand", "table", "sim",
            f"run/{number:05d}", arm_scale(0.015, 0.1),
        ),
        images={"image": [picture(aim, step) for step, aim in enumerate(aims)]},
        state=state,
        action=action,
        instruction=[WORDS[variant]] * steps,
        reward=ends.astype(np.float32),
        discount=(~ends).astype(np.float32),
        is_first=np.arange(steps) == 0,
        is_last=ends,
        is_terminal=ends,
        executed_by=np.zeros(steps, np.int64),
        teacher_mean=mean,
        teacher_log_std=np.full((steps, 7), -2.0, np.float32),
        teacher_version=np.full(steps, 5 if taught else -1),
        image_stamp=np.arange(steps),
        state_stamp=np.arange(steps),
    )  # fmt: skip


def write_dataset(
    folder: Path, splits: dict[str, list[Episode]], shard: int = 3, **contract: Any
) -> Path:
    """`folder` is data/<name>, of the first episode's cameras and spaces; `contract` replaces values of its file."""
    place = folder / rlds.VERSION
    place.mkdir(parents=True)
    lengths: dict[str, list[int]] = {}
    for split, episodes in splits.items():
        parts = [episodes[i : i + shard] for i in range(0, len(episodes), shard)]
        for number, part in enumerate(parts):
            file = place / rlds.shard_name(folder.name, split, number, len(parts))
            with file.open("wb") as stream:
                for one in part:
                    write_record(stream, to_example(one))
        lengths[split] = [len(part) for part in parts]
    first = next((one for episodes in splits.values() for one in episodes), episode(0, 1))
    spaces = first.spaces
    leaves = rlds.features(dict.fromkeys(first.images, (SIZE, SIZE, 3)), "png", spaces)
    about = {
        "control_rate_hz": 10.0,
        "cameras": dict.fromkeys(first.images, TOPIC),
        "image_format": "png",
        "action": asdict(spaces.action),
        "state": asdict(spaces.state),
    }
    rlds.write_metadata(place, leaves, lengths, about | contract)
    if any(splits.values()):
        statistics.write(rlds.Dataset(folder))
    return folder


def small(folder: Path, variant: str = "vga", first: int = 0, count: int = 8) -> Path:
    """Episodes of 1 to `count` steps, and two of `val`."""
    numbers = range(first, first + count)
    train = [episode(n, 1 + n - first, variant) for n in numbers]
    val = [episode(first + count + n, 5, variant) for n in range(2)]
    return write_dataset(folder, {"train": train, "val": val})


def edit_json(path: Path, **changes: Any) -> None:
    """Replace values of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
