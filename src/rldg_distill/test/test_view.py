# SPDX-License-Identifier: Apache-2.0
"""Pictures of other sizes and kinds in bags made elsewhere: what the robot shows is what a student is trained on."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from plain_bags import COMPRESSED, IMAGE, Plain, Stream, demonstration, image, view
from synthetic_bags import SIZE as OWN_SIZE
from synthetic_bags import write_bag

from rldg_core.image_contract import SIZE, ImageContract
from rldg_distill.conversion.validation import _grey
from rldg_distill.convert import main as convert
from rldg_distill.dataset import main as inspect
from rldg_distill.datasets.image_codec import ImageFormat, decode, encode
from rldg_distill.datasets.rlds import Dataset

FRONT = "front_camera/image_raw"
WIDE = "1:640x480:80,0,480,480:128"


def seen(stamp: int, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(view(stamp)).resize((width, height)))


def sized(width: int, height: int, seed: int = 0) -> Plain:
    plain = demonstration(seed, seconds=1.0)
    stream = plain.streams[IMAGE.name]
    stream.messages = {s: image(seen(s, width, height)) for s in stream.messages}
    return plain


def with_front(
    fields: Callable[[int], dict[str, Any]], kind: str = IMAGE.type, seed: int = 0
) -> Plain:
    plain = sized(SIZE, SIZE, seed)
    plain.streams[FRONT] = Stream(kind, {s: fields(s) for s in plain.stamps(IMAGE)})
    return plain


def made(bags: Path | tuple[Path, ...], out: Path, *options: str) -> int:
    facts = ["--recorded", "task=connector/vga", "--overwrite", "--val", "0.5"]
    given = bags if isinstance(bags, tuple) else (bags,)
    return convert([*map(str, given), "--out", str(out), *facts, *options])


def pictures(dataset: Dataset, camera: str = "image") -> list[np.ndarray]:
    found = [e for split in dataset.shards for e in dataset.episodes(split)]
    return [decode(data) for episode in found for data in episode.images[camera]]


@pytest.mark.parametrize(
    ("width", "height", "crop"),
    [(640, 480, WIDE), (480, 640, "1:480x640:0,80,480,480:128"), (64, 64, "1:64x64:0,0,64,64:128")],
)
@pytest.mark.parametrize("form", ["png", "jpeg:90"])
def test_pictures_of_another_size_become_those_that_the_robot_shows(
    tmp_path: Path, width: int, height: int, crop: str, form: str
) -> None:
    for seed in range(2):
        sized(width, height, seed).write(tmp_path / "bags" / f"plain_{seed}")
    out = tmp_path / "demos"
    assert made(tmp_path / "bags", out, "--image-format", form) == 0
    dataset = Dataset(out)
    assert dataset.contract.image_contract == crop
    assert dataset.image_sizes == {"image": (SIZE, SIZE)}
    assert {about["pictures"] for about in dataset.contract.recorded.bags.values()} == {crop}
    episode = next(dataset.episodes("train"))
    for data, stamp in zip(episode.images["image"], episode.image_stamp.tolist(), strict=True):
        live = ImageContract.centred(width, height).apply(seen(stamp, width, height))
        assert np.abs(decode(data).astype(int) - live).mean() < (0.1 if form == "png" else 8)
    assert inspect(["validate", str(out), "--bags", str(tmp_path / "bags")]) == 0


def test_what_the_robot_shows_is_stored_as_it_is(tmp_path: Path) -> None:
    stamps = set()
    for seed in range(2):
        plain = sized(SIZE, SIZE, seed)
        stamps |= {*plain.stamps(IMAGE)}
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    dataset = Dataset(tmp_path / "demos")
    assert dataset.contract.image_contract is None
    assert "pictures" not in next(iter(dataset.contract.recorded.bags.values()))
    known = {seen(stamp, SIZE, SIZE).tobytes() for stamp in stamps}
    assert all(picture.tobytes() in known for picture in pictures(dataset))


def test_bags_of_several_sizes_fit_into_one_dataset_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, (width, height) in enumerate([(1280, 720), (640, 480), (640, 480), (SIZE, SIZE)]):
        sized(width, height, seed).write(tmp_path / "bags" / f"plain_{seed}")
    out = tmp_path / "demos"
    assert made(tmp_path / "bags", out) == 0
    message = capsys.readouterr().err
    assert "1:1280x720:280,0,720,720:128" in message and WIDE in message
    assert "several sizes" in message and "crop:=640x480:80,0,480,480" in message
    assert Dataset(out).contract.image_contract == WIDE, "of most"
    assert inspect(["validate", str(out), "--bags", str(tmp_path / "bags")]) == 0


def test_they_follow_the_contract_of_our_own_bags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crop = f"1:640x480:0,0,480,480:{OWN_SIZE}"
    for seed in range(2):
        write_bag(tmp_path / "own" / f"policy_{seed:05d}", seed, image_contract=crop)
        sized(640, 480, seed).write(tmp_path / "bags" / f"plain_{seed}")
    both, out = (tmp_path / "own", tmp_path / "bags"), tmp_path / "both"
    assert made(both, out) == 0
    dataset = Dataset(out)
    assert dataset.contract.image_contract == crop
    assert dataset.image_sizes == {"image": (OWN_SIZE, OWN_SIZE)}
    assert inspect(["validate", str(out), "--bags", *map(str, both)]) == 0
    capsys.readouterr()
    sized(1280, 720).write(tmp_path / "bags" / "wide")
    assert made(both, out) == 1
    assert "different image contracts" in capsys.readouterr().err


def png(pixels: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return np.frombuffer(stream.getvalue(), np.uint8)


DEEP = np.full((64, 64), 40_000, np.uint16)
RAW = {
    "height": 64,
    "width": 64,
    "step": 128,
    "encoding": "mono16",
    "data": np.zeros(8192, np.uint8),
}
ODD = {
    "infrared of 16 bits": (RAW, IMAGE.type, "16-bit"),
    "a Bayer mosaic": (RAW | {"encoding": "bayer_rggb8", "step": 64}, IMAGE.type, "Bayer"),
    "an unknown encoding": (RAW | {"encoding": "x"}, IMAGE.type, "of encoding 'x' cannot"),
    "step 0": (RAW | {"encoding": "rgb8", "step": 0}, IMAGE.type, "(step) has 0 bytes, 192"),
    "width 0": (RAW | {"width": 0}, IMAGE.type, "0x64: it has no pixels"),
    "a deep PNG": ({"format": "rgb8; png", "data": png(DEEP)}, COMPRESSED, "16-bit"),
    "video": (
        {"format": "h264", "data": np.frombuffer(b"\0\0\0\1gB\0\x1f", np.uint8)},
        COMPRESSED,
        "video: republish it as raw or compressed",
    ),
    "PostScript": (
        {"format": "jpeg", "data": np.frombuffer(b"%!PS-Adobe-3.0 EPSF-3.0\n", np.uint8)},
        COMPRESSED,
        "PostScript",
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_a_second_camera_that_cannot_be_used_is_left_out_and_the_bags_are_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    fields, kind, said = ODD[what]
    for seed in range(2):
        with_front(lambda _: fields, kind, seed).write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    dataset = Dataset(tmp_path / "demos")
    assert dataset.cameras == ["image"]
    assert said in dataset.contract.left_out_topics[FRONT]
    message = capsys.readouterr().err
    assert f"left out: topic {FRONT}" in message and "BytesIO" not in message


@pytest.mark.parametrize("what", ODD)
def test_a_policy_camera_that_cannot_be_used_is_reported_with_its_cause(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    fields, kind, said = ODD[what]
    for seed in range(2):
        plain = with_front(lambda _: fields, kind, seed)
        del plain.streams[IMAGE.name]
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    named = ("--topic", f"{IMAGE.name}=/{FRONT}")
    assert made(tmp_path / "bags", tmp_path / "demos", *named) == 1
    message = " ".join(capsys.readouterr().err.split())
    assert said in message and "0x" not in message.replace("0x64", "") and "BytesIO" not in message


def test_a_camera_in_yuv_is_a_camera(tmp_path: Path) -> None:
    grey = RAW | {"encoding": "yuv422_yuy2", "data": np.full(8192, 128, np.uint8)}
    for seed in range(2):
        with_front(lambda _: grey, IMAGE.type, seed).write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    assert all(
        (picture == 130).all() for picture in pictures(Dataset(tmp_path / "demos"), "front_camera")
    )


def failing(seed: int, front_fails: bool = True) -> Plain:
    """A bag whose second camera sends cut pictures in the end."""
    plain = with_front(lambda s: image(seen(s, 64, 48)), IMAGE.type, seed)
    last = max(plain.streams[FRONT].messages)
    for stamp, fields in plain.streams[FRONT].messages.items():
        if front_fails and last - stamp < 300_000_000:
            fields["data"] = fields["data"][:100]
    return plain


def test_a_second_camera_that_fails_later_is_reported_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(3):
        failing(seed, front_fails=seed == 1).write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 3
    message = " ".join(capsys.readouterr().err.split())
    assert (
        "100 bytes instead of 9216" in message and "Without that camera: --camera image" in message
    )
    assert Dataset(tmp_path / "demos").cameras == ["front_camera", "image"]
    assert made(tmp_path / "bags", tmp_path / "demos", "--camera", "image") == 0
    assert Dataset(tmp_path / "demos").cameras == ["image"]


def test_a_second_camera_with_which_no_bag_can_be_read_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2):
        failing(seed).write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    message = " ".join(capsys.readouterr().err.split())
    assert f"left out: topic {FRONT}, no bag can be read with it" in message
    assert "100 bytes instead of 9216" in message
    assert Dataset(tmp_path / "demos").cameras == ["image"]
    assert made(tmp_path / "bags", tmp_path / "demos", "--camera", "front_camera") == 1, "asked for"


def test_a_second_camera_of_several_sizes_is_left_out_and_the_bags_are_converted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, side in enumerate((64, 32)):
        front = with_front(lambda s, side=side: image(seen(s, side, 48)), IMAGE.type, seed)
        front.write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    message = " ".join(capsys.readouterr().err.split())
    assert "not alike in most of 2 bags: 32x48 in 1, 64x48 in 1" in message
    assert Dataset(tmp_path / "demos").cameras == ["image"]
    assert made(tmp_path / "bags", tmp_path / "demos", "--camera", "front_camera") == 1
    more = with_front(lambda s: image(seen(s, 64, 48)), IMAGE.type, 2)
    more.write(tmp_path / "bags" / "plain_2")
    capsys.readouterr()
    assert made(tmp_path / "bags", tmp_path / "demos") == 3, "most agree"
    assert "Without that camera: --camera image" in capsys.readouterr().err
    assert Dataset(tmp_path / "demos").cameras == ["front_camera", "image"]


def test_validation_holds_large_pictures_of_an_episode_small(tmp_path: Path) -> None:
    """In a process of its own, whose peak is nobody else's."""
    wide = np.zeros((1080, 1920, 3), np.uint8)
    for seed in range(2):
        plain = with_front(lambda _: image(wide), IMAGE.type, seed)
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    look = f"""
from pathlib import Path
from rldg_distill.conversion.validation import validate
from rldg_distill.datasets.rlds import Dataset
list(validate(Dataset(Path({str(tmp_path / "demos")!r}))))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 350_000  # [kB]


def test_pictures_of_any_shape_are_looked_at() -> None:
    for height, width in ((128, 128), (4, 5000), (5000, 1), (1, 1), (1081, 1919)):
        data = encode(np.zeros((height, width, 3), np.uint8), ImageFormat())
        assert max(_grey(data).shape) <= 256 or max(height, width) <= 256


def test_narrow_pictures_are_validated(tmp_path: Path) -> None:
    for seed in range(2):
        plain = with_front(lambda s: image(seen(s, 1, 90)), IMAGE.type, seed)
        plain.write(tmp_path / "bags" / f"plain_{seed}")
    assert made(tmp_path / "bags", tmp_path / "demos") == 0
    assert inspect(["validate", str(tmp_path / "demos")]) in (0, 3)
