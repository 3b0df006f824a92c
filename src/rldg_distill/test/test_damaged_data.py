# SPDX-License-Identifier: Apache-2.0
"""Datasets from elsewhere: damaged, of another shape, hostile. Only errors that a person can mend come out."""

from __future__ import annotations

import json
import os
import random
import struct
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damaged import damage_json, damaged_bytes
from synthetic_data import edit_json, episode, small, write_dataset

from rldg_distill import dataset as command
from rldg_distill.conversion.outcome import ShardResult, read_outcome
from rldg_distill.conversion.shard import Shard, to_example, write_shard
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.datasets import image_codec, rlds, statistics
from rldg_distill.datasets.contract_file import CONTRACT
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.info_file import FEATURES, INFO
from rldg_distill.datasets.rlds import Dataset, NotADataset
from rldg_distill.datasets.tfrecord import (
    DamagedRecord,
    Serialised,
    bytes_spans,
    checksums,
    decode_example,
    encode_example,
    masked_crc,
    read_records,
    write_record,
)
from rldg_distill.training.training_data import open_data

FILES = (INFO, CONTRACT, FEATURES, statistics.STATISTICS)


def output_of(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = command.main(list(words))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.err


@pytest.mark.parametrize("name", FILES)
def test_json_of_another_shape(name: str, tmp_path: Path) -> None:
    folder = small(tmp_path / "data", count=2)
    sound = json.loads((folder / rlds.VERSION / name).read_text())
    rng = random.Random(name)
    refused = 0
    for _ in range(80):
        damage_json(rng, folder / rlds.VERSION / name, sound)
        try:
            open_data([folder])
        except (NotADataset, DamagedRecord, OSError) as error:
            refused += 1
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
    assert refused > 10 or name == statistics.STATISTICS


def test_the_commands_tell_json_of_another_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small(tmp_path / "data", count=2)
    rng = random.Random(0)
    for name in FILES:
        path = folder / rlds.VERSION / name
        sound = path.read_text()
        for _ in range(6):
            damage_json(rng, path, json.loads(sound))
            for verb in ("info", "validate", "show"):
                code, said = output_of(capsys, verb, str(folder))
                assert code in (
                    0,
                    1,
                    2,
                    3,
                )  # 2: it lists splits or cameras, not those that are asked for
                assert code not in (1, 2) or len(said.splitlines()) == 1
        path.write_text(sound)


@pytest.mark.parametrize("name", ["../../x", "/x", "", "a/b", ".x", "x" * 300])
def test_a_datasets_name_leads_nowhere(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small(tmp_path / "data", count=2)
    edit_json(folder / rlds.VERSION / INFO, name=name)
    code, said = output_of(capsys, "show", str(folder))
    assert code == 1
    assert "name cannot be" in said


def test_damaged_records(tmp_path: Path) -> None:
    path = tmp_path / "records"
    with path.open("wb") as stream:
        for number in range(3):
            write_record(stream, to_example(episode(number, 3)))
    whole = path.read_bytes()
    rng = random.Random(1)
    for _ in range(150):
        path.write_bytes(damaged_bytes(rng, whole))
        with suppress(DamagedRecord):
            checksums(path)
        with suppress(DamagedRecord):
            list(read_records(path))


def test_damaged_examples() -> None:
    whole = bytes(to_example(episode(0, 4)))
    head = whole.index(b"steps/observation/image")  # else most damage is in the images
    rng = random.Random(2)
    for number in range(600):
        part = whole if number % 2 else whole[:head]
        data = damaged_bytes(rng, part) + whole[len(part) :]
        with suppress(ValueError):
            assert isinstance(rlds.from_example(data, ["image"]), Episode)
        with suppress(ValueError):
            bytes_spans(data)


def test_features_of_other_types() -> None:
    sound = decode_example(bytes(to_example(episode(0, 3))))
    others = ([b"x"], [], np.array([1.5], np.float32), np.array([np.inf], np.float32),
              np.array([2**62], np.int64))  # fmt: skip
    for name in sound:
        for other in others:
            data = bytes(encode_example({**sound, name: other}))
            with suppress(ValueError):
                rlds.from_example(data, ["image"])


def test_a_number_without_end_is_refused_at_once() -> None:
    started = time.monotonic()
    for data in (b"\x80" * 800_000, b"\x0a\xff\xff\x7f" + b"\xff" * 2_097_151):
        with pytest.raises(ValueError, match=r"too long|longer"):
            decode_example(data)
    assert time.monotonic() - started < 1.0


def test_a_record_longer_than_its_file(tmp_path: Path) -> None:
    path = tmp_path / "records"
    for length in (2**20, 2**40, 2**64 - 1):
        head = struct.pack("<Q", length)
        path.write_bytes(head + struct.pack("<I", masked_crc(head)) + b"x" * 100)
        with pytest.raises(DamagedRecord, match="cut off"):
            list(read_records(path))


def test_a_pipe_is_no_shard(tmp_path: Path) -> None:
    pipe = tmp_path / "records"
    os.mkfifo(pipe)
    for read in (checksums, lambda path: list(read_records(path))):
        with pytest.raises(DamagedRecord, match="no file"):
            read(pipe)


def test_a_link_to_elsewhere_is_read(tmp_path: Path) -> None:
    folder = small(tmp_path / "data" / "one", count=2)
    shard = next((folder / rlds.VERSION).glob("*train*"))
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    assert len(list(Dataset(folder).episodes("train"))) == 2


# --- numbers that histograms do not like ---------------------------------------------------------------------------


def changed(number: int, steps: int, action: np.ndarray) -> Episode:
    sound = episode(number, steps)
    sound.action[:] = action
    return sound


@pytest.mark.parametrize(
    "column",
    [
        np.float32(0.3),
        np.float32(1.0) + np.array([0, 1e-7, 0, 0, 0], np.float32),
        np.array([0, 1e-45, 0, 0, 0], np.float32),
        np.array([-3e38, 3e38, 0, 0, 0], np.float32),
        np.array([1e30, np.nextafter(np.float32(1e30), np.float32(2e30)), 1e30, 1e30, 1e30]),
    ],
)
def test_info_of_columns_that_hardly_change(
    column: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = np.broadcast_to(np.asarray(column, np.float32), (7, 5)).T
    episodes = [changed(number, 5, rows) for number in range(5)]
    folder = write_dataset(tmp_path / "data", {"train": episodes, "val": [episode(9, 1)]})
    assert output_of(capsys, "info", str(folder)) == (0, "")


def test_info_of_a_single_step_and_of_an_empty_split(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_dataset(tmp_path / "data", {"train": [episode(0, 1)], "val": []})
    assert output_of(capsys, "info", str(folder)) == (0, "")


def test_info_without_episodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_dataset(tmp_path / "data", {"train": [], "val": []})
    code, said = output_of(capsys, "info", str(folder))
    assert code == 1
    assert "no episodes" in said


def test_bars_keep_their_places() -> None:
    assert command.bars(np.arange(command.BINS)) == "█" * command.BINS
    assert command.bars(np.array([0.0, 1.0])) == "█" + " " * 14 + "█"
    assert command.bars(np.full(3, 7.0)).strip() == "█"
    assert command.bars(np.array([np.nan, 2.0, np.inf])).strip() == "█"


@pytest.mark.parametrize("name", ["action", "state", "teacher_mean"])
def test_values_that_are_no_numbers_are_refused_before_training(name: str, tmp_path: Path) -> None:
    folder = small(tmp_path / "data", count=3)
    bad = episode(1, 3)
    getattr(bad, name)[1, 2] = np.nan
    shard = next((folder / rlds.VERSION).glob("*train*"))
    with shard.open("ab") as stream:
        write_record(stream, Serialised.of(bytes(to_example(bad))))
    with pytest.raises(NotADataset, match=f"{name} '.*' of run/00001 is no number in step 1"):
        open_data([folder])


def test_a_damaged_outcome_of_a_shard_is_written_anew(tmp_path: Path) -> None:
    workplace, shard = Workplace(tmp_path), Shard("x-train.tfrecord-00000-of-00001", "train", ())
    for folder in (workplace.data, workplace.progress):
        folder.mkdir()
    assert not list(write_shard(shard, None, workplace))  # type: ignore[arg-type]
    path = workplace.outcome(shard.name)
    whole = path.read_bytes()
    assert read_outcome(workplace, shard.name) == ShardResult()
    rng = random.Random(3)
    for _ in range(100):
        path.write_bytes(damaged_bytes(rng, whole))
        read_outcome(workplace, shard.name)
    about = np.array(json.dumps(vars(ShardResult(steps=2**27))))
    huge = np.zeros((2**20, 7), np.float32)
    np.savez_compressed(path, about=about, action=huge, state=huge)
    assert read_outcome(workplace, shard.name) is None
    np.savez(path, about=np.array([{}], object), action=huge, state=huge)
    assert read_outcome(workplace, shard.name) is None


def with_images(folder: Path, images: list[bytes]) -> Path:
    """A dataset of which one episode has these."""
    odd = replace(episode(1, len(images)), images={"image": images})
    return write_dataset(folder, {"train": [episode(0, 3), odd], "val": [episode(2, 2)]})


def test_images_that_cannot_be_learned_from_are_refused_before_training(tmp_path: Path) -> None:
    sound = list(episode(1, 3).images["image"])
    large = image_codec.encode(np.zeros((64, 64, 3), np.uint8), ImageFormat())
    for name, images, reason in (
        ("none", [*sound[:2], b"no picture"], "no episode"),
        ("large", [*sound[:2], large], r"images are .*64, 64"),
        ("empty", [], "no steps"),
    ):
        with pytest.raises(NotADataset, match=reason):
            open_data([with_images(tmp_path / name, images)])
    with pytest.raises(NotADataset, match=r"steps/observation/side.* is missing"):
        folder = small(tmp_path / "other", count=2)
        features = folder / rlds.VERSION / FEATURES
        features.write_text(features.read_text().replace('"image": {', '"side": {', 1))
        edit_json(folder / rlds.VERSION / CONTRACT, cameras={"side": "topic"})
        open_data([folder])
