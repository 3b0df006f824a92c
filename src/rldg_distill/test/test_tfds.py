# SPDX-License-Identifier: Apache-2.0
"""What other readers need: TensorFlow Datasets itself where it is installed, and the features of Octo's and OpenVLA's
loaders everywhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_bags import SIZE, write_run

from rldg_distill.convert import main
from rldg_distill.datasets.image_codec import decode
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.datasets.tfrecord import decode_example, read_records


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    out = folder / "data" / "plugs"
    assert main([str(write_run(folder / "first", count=4, steps=6)), "--out", str(out)]) == 0
    return out


def test_features_that_octo_and_openvla_need(data: Path) -> None:
    content = json.loads((data / "1.0.0" / "features.json").read_text())
    top = content["featuresDict"]["features"]
    assert set(top) == {"steps", "episode_metadata"}
    assert top["steps"]["pythonClassName"].endswith("dataset_feature.Dataset")
    steps = top["steps"]["sequence"]["feature"]["featuresDict"]["features"]
    # dlimp's from_rlds takes all of these; Octo's and OpenVLA's standardize_fn get them with a leading T.
    observation = steps["observation"]["featuresDict"]["features"]
    assert observation["image"]["image"] == {
        "shape": {"dimensions": [str(SIZE), str(SIZE), "3"]},
        "dtype": "uint8",
        "encodingFormat": "png",
    }
    assert observation["state"]["tensor"]["dtype"] == "float32"
    assert steps["action"]["tensor"]["shape"] == {"dimensions": ["7"]}
    assert steps["action"]["tensor"]["dtype"] == "float32"
    assert steps["language_instruction"]["text"] == {}
    for flag in ("is_first", "is_last", "is_terminal"):
        assert steps[flag]["tensor"]["dtype"] == "bool"
    for number in ("reward", "discount"):
        assert steps[number]["tensor"]["dtype"] == "float32"
    info = json.loads((data / "1.0.0" / "dataset_info.json").read_text())
    # Without a split `val` both loaders cut one off that may be empty.
    assert [split["name"] for split in info["splits"]] == ["train", "val"]
    assert all(isinstance(n, str) for split in info["splits"] for n in split["shardLengths"])


def test_a_record_is_one_flat_episode(data: Path) -> None:
    record = next(read_records(Dataset(data).shards["train"][0]))
    values = decode_example(record)
    assert len(values["steps/action"]) == 6 * 7
    assert len(values["steps/observation/image"]) == len(values["steps/language_instruction"]) == 6
    assert len(values["episode_metadata/task"]) == 1
    # Octo drops an episode whose instruction is empty.
    assert all(values["steps/language_instruction"])


def test_tensorflow_datasets_reads_it(data: Path) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_from_directory(str(data / "1.0.0"))
    assert {name: s.num_examples for name, s in builder.info.splits.items()} == Dataset(
        data
    ).lengths
    assert tfds.builder("plugs", data_dir=str(data.parent)).name == "plugs"
    for split in ("train", "val"):
        ours = {e.metadata.bag: e for e in Dataset(data).episodes(split)}
        for theirs in builder.as_dataset(split=split):
            metadata = {k: v.numpy() for k, v in theirs["episode_metadata"].items()}
            mine = ours.pop(metadata["bag"].decode())
            assert int(metadata["seed"]) == mine.metadata.seed
            assert bool(metadata["success"]) and metadata["task"] == b"connector"
            steps = list(theirs["steps"].as_numpy_iterator())
            assert len(steps) == len(mine)
            for index, step in enumerate(steps):
                np.testing.assert_array_equal(step["action"], mine.action[index])
                np.testing.assert_array_equal(step["observation"]["state"], mine.state[index])
                np.testing.assert_array_equal(
                    step["observation"]["image"], decode(mine.images["image"][index])
                )
                assert step["language_instruction"].decode() == mine.instruction[index]
                assert step["is_terminal"] == mine.is_terminal[index]
                assert step["stamp"]["image"] == mine.image_stamp[index]
                np.testing.assert_array_equal(step["teacher"]["mean"], mine.teacher_mean[index])
                assert step["teacher"]["version"] == mine.teacher_version[index]
        assert not ours
