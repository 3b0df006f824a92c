# SPDX-License-Identifier: Apache-2.0
"""Planted faults are found, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
import pytest
from synthetic_bags import write_run

from rldg_distill.conversion.shard import to_example
from rldg_distill.conversion.validation import validate
from rldg_distill.convert import main as convert
from rldg_distill.dataset import main
from rldg_distill.datasets import rlds, statistics
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.image_codec import ImageFormat, decode, encode
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.datasets.tfrecord import write_record

PNG = ImageFormat()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    run = write_run(folder / "runs" / "first", count=6, steps=30)
    assert (
        convert([str(run), "--out", str(folder / "data" / "plugs"), "--shard-episodes", "9"]) == 0
    )
    return folder / "data" / "plugs"


def rewrite(data: Path, out: Path, change: Callable[[list[Episode]], list[Episode]]) -> Dataset:
    """The dataset again, with its train split changed."""
    source = Dataset(data)
    folder = out / "plugs" / "1.0.0"
    folder.mkdir(parents=True)
    lengths = {}
    for split in source.shards:
        episodes = list(source.episodes(split))
        if split == "train":
            episodes = change(episodes)
        with (folder / rlds.shard_name("plugs", split, 0, 1)).open("wb") as stream:
            for episode in episodes:
                write_record(stream, to_example(episode))
        lengths[split] = [len(episodes)]
    rlds.write_metadata(
        folder, rlds.features({"image": (48, 48, 3)}, "png"), lengths, asdict(source.contract)
    )
    dataset = Dataset(folder.parent)
    every = [episode for split in dataset.shards for episode in dataset.episodes(split)]
    # of what is no number there are no statistics, and their lack would be a second fault
    motion = statistics.joined((np.nan_to_num(e.action), e.state) for e in every)
    statistics.write(dataset, motion)
    return dataset


def without(array: np.ndarray, index: int) -> np.ndarray:
    return np.delete(array, index, axis=0)


def with_nan(episode: Episode) -> Episode:
    action = episode.action.copy()
    action[3, 1] = np.nan
    return replace(episode, action=action)


def without_step(episode: Episode) -> Episode:
    arrays = {
        name: without(value, 5)
        for name, value in vars(episode).items()
        if isinstance(value, np.ndarray)
    }
    images = {"image": [d for i, d in enumerate(episode.images["image"]) if i != 5]}
    return replace(episode, images=images, instruction=episode.instruction[1:], **arrays)


def with_images(episode: Episode, images: list[bytes]) -> Episode:
    return replace(episode, images={"image": images})


def late_camera(episode: Episode) -> Episode:
    seen = episode.images["image"]
    return with_images(episode, seen[:1] + seen[:-1])


def knocked_camera(episode: Episode) -> Episode:
    return with_images(
        episode,
        [encode(np.roll(decode(d), (5, 3), (0, 1)), PNG) for d in episode.images["image"]],
    )


def frozen_camera(episode: Episode) -> Episode:
    seen = episode.images["image"]
    return with_images(episode, seen[:10] + [seen[9]] * 4 + seen[14:])


def on_first(change: Callable[[Episode], Episode]) -> Callable[[list[Episode]], list[Episode]]:
    return lambda episodes: [change(episodes[0]), *episodes[1:]]


def test_a_sound_dataset_has_no_faults(data: Path) -> None:
    assert list(validate(Dataset(data))) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (on_first(with_nan), "step 3: action is not finite"),
        (on_first(without_step), "step 5: 1 frame(s) dropped"),
        (
            on_first(lambda e: replace(e, instruction=[*e.instruction[:-1], " "])),
            "instruction is empty",
        ),
        (on_first(knocked_camera), "image is shifted by (5, 3) pixels"),
        (on_first(late_camera), "image is shifted by 1 step(s)"),
        (lambda episodes: [late_camera(e) for e in episodes], "image is shifted by 1 step(s)"),
        (on_first(frozen_camera), "step 10: image is frozen"),
        (
            on_first(lambda e: with_images(e, [b"", *e.images["image"][1:]])),
            "step 0: image is not an image",
        ),
        (on_first(lambda e: replace(e, is_last=np.zeros(len(e), bool))), "is_first and is_last"),
        (
            on_first(lambda e: replace(e, image_stamp=e.image_stamp - 10**8)),
            "image and state are 0.10 s apart",
        ),
        (lambda episodes: [*episodes, episodes[0]], "duplicate of"),
        (lambda _: [], "is empty"),
    ],
)
def test_planted_faults_are_found(
    data: Path, tmp_path: Path, change: Callable[[list[Episode]], list[Episode]], message: str
) -> None:
    faults = [str(fault) for fault in validate(rewrite(data, tmp_path, change))]
    assert any(message in fault for fault in faults), faults


def test_one_fault_does_not_raise_others(data: Path, tmp_path: Path) -> None:
    for index, change in enumerate((with_nan, knocked_camera, frozen_camera)):
        faults = list(validate(rewrite(data, tmp_path / str(index), on_first(change))))
        assert len({fault.where for fault in faults}) == 1, faults


def test_damaged_files_and_stale_statistics_are_faults(data: Path, tmp_path: Path) -> None:
    dataset = rewrite(data, tmp_path, lambda episodes: episodes)
    shard = dataset.shards["train"][0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    assert any("checksum" in str(fault) for fault in validate(dataset))
    assert main(["validate", str(dataset.folder.parent)]) == 3
    (dataset.folder / statistics.STATISTICS).unlink()
    assert any(fault.where == statistics.STATISTICS for fault in validate(dataset))


def test_comparison_with_the_bags(data: Path, tmp_path: Path) -> None:
    run = data.parents[1] / "runs" / "first"
    assert main(["validate", str(data), "--bags", str(run)]) == 0
    shifted = rewrite(data, tmp_path, on_first(late_camera))
    assert main(["validate", str(shifted.folder.parent), "--bags", str(run)]) == 3


def test_info_and_show(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(data)]) == 0
    message = capsys.readouterr().out
    for part in (
        "6 episodes, 180 steps",
        "insert the VGA connector",
        "constant",
        "time gaps: 0",
        "▁",
    ):
        assert part in message, message
    assert (
        main(["show", str(data), "--split", "train", "--count", "2", "--out", str(tmp_path)]) == 0
    )
    sheet = imageio.imread(tmp_path / "plugs_train_image.png")
    assert sheet.shape[1] == 8 * 128 and sheet.std() > 10
    assert imageio.get_reader(tmp_path / "plugs_train_image.mp4").count_frames() == 60
    assert main(["show", str(data), "--camera", "front", "--out", str(tmp_path)]) == 2
    assert "there are: image" in capsys.readouterr().err
    assert main(["info", str(tmp_path)]) == 2


def test_a_fault_is_reported_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = rewrite(data, tmp_path, on_first(frozen_camera))
    assert main(["validate", str(dataset.folder.parent)]) == 3
    message = capsys.readouterr().out.splitlines()
    assert message[0].startswith("fault train first/policy_0") and len(message) == 2
