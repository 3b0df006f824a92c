# SPDX-License-Identifier: Apache-2.0
"""What no robot can show is told before a student is trained on it; what cannot be a format or a picture, too."""

from __future__ import annotations

from pathlib import Path

import pytest
from plain_bags import POSE
from rosbags.rosbag2 import StoragePlugin, Writer
from synthetic_bags import START, header, message
from synthetic_data import SIZE, small

from rldg_core.bags.bag_reader import typestore
from rldg_distill import distill
from rldg_distill.convert import main as convert
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.students.registry import load_student

TINY = ["--student", "cnn", "--side", "32", "--width", "32", "--chunk", "3", "--batch-size", "12"]


def test_pictures_of_another_size_than_a_robot_shows_are_reported_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = small(tmp_path / "data" / "first", count=4)
    more = ["--workers", "1", "--device", "cpu", "--steps", "1", "--runs", str(tmp_path / "runs")]
    assert distill.main([str(data), *TINY, *more, "--name", "a"]) == 0
    output = capsys.readouterr().err
    assert f"images of image are {SIZE}x{SIZE}, a robot's are 128x128: convert the bags" in output
    assert output.index("a robot's are") < output.index("validation loss")
    student = load_student(tmp_path / "runs" / "a" / "checkpoints" / "student")
    assert "a robot's are 128x128" in student.never_shown()
    object.__setattr__(student.data, "cameras", {"image": (128, 128)})
    assert student.never_shown() == ""


@pytest.mark.parametrize(
    "text", ["jpeg:0", "jpeg:101", "jpeg:x", "jpeg:", "jpeg:²", "jpeg:" + "9" * 5000]
)
def test_a_quality_that_cannot_be_is_a_usage_error_with_the_range(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        convert(["x", "--out", "y", "--image-format", text])
    assert end.value.code == 2 and "1 to 100" in capsys.readouterr().err


def test_other_formats_name_those_that_are() -> None:
    for text in ("gif", "png:3", "png:", ""):
        with pytest.raises(ValueError, match=r"there are: png, jpeg|only jpeg takes"):
            ImageFormat.parse(text)
    assert (
        str(ImageFormat.parse("jpeg")) == "jpeg:95" and str(ImageFormat.parse("jpeg:1")) == "jpeg:1"
    )


def test_a_topic_of_video_is_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kind = "foxglove_msgs/msg/CompressedVideo"
    for seed in range(2):
        with Writer(
            tmp_path / f"plain_{seed}", version=9, storage_plugin=StoragePlugin.MCAP
        ) as out:
            pose = out.add_connection(f"/{POSE.name}", POSE.type, typestore=typestore())
            video = out.add_connection(
                "/camera/h264", kind, msgdef="uint8[] data", rihs01="RIHS01_0"
            )
            content = message(POSE.type, header=header(START))
            out.write(pose, START, bytes(typestore().serialize_cdr(content, POSE.type)))
            out.write(video, START, bytes(8))
    bags = [str(tmp_path / f"plain_{seed}") for seed in range(2)]
    options = ["--out", str(tmp_path / "demos"), "--recorded", "task=connector/vga"]
    assert convert([*bags, *options]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "is H.264 or other video: republish it as raw or compressed" in said
