# SPDX-License-Identifier: Apache-2.0
"""LeRobot datasets: the layout field by field, the values of the RLDS dataset, and LeRobot's own reader where it is
installed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from synthetic_bags import INSTRUCTION, SIZE, write_bag, write_run

from rldg_core.arm_spaces import ACTION
from rldg_core.proprioception import PROPRIOCEPTION
from rldg_distill import dataset
from rldg_distill.convert import main
from rldg_distill.datasets import lerobot
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.image_codec import decode
from rldg_distill.datasets.lerobot_statistics import describe_images
from rldg_distill.datasets.rlds import Dataset

OTHER = "put the USB plug into its port"
STEPS = 30
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five solved episodes of one task, three of another that people gave up, shown or solved."""
    run = write_run(tmp_path_factory.mktemp("runs") / "first", count=5, steps=STEPS)
    for seed, success in ((5, True), (6, False), (7, True)):
        write_bag(
            run / "bags" / f"demonstration_{seed:05d}",
            seed,
            steps=STEPS - seed,
            source="demonstration",
            success=success,
            variant="usb_a",
            instruction=OTHER,
        )
    return run


@pytest.fixture(scope="module")
def data(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data/<name>` in both formats."""
    out = tmp_path_factory.mktemp("data") / "plugs"
    for name in ("rlds", "lerobot"):
        assert main([str(run), "--out", str(out), "--status", "all", "--format", name]) == 0
    return out


@pytest.fixture(scope="module")
def root(data: Path) -> Path:
    return data / "lerobot"


@pytest.fixture(scope="module")
def episodes(data: Path) -> list[Episode]:
    return [e for split in ("train", "val") for e in Dataset(data).episodes(split)]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        row for path in sorted(folder.rglob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


def number(dtype: str, shape: int = 1, names: Any = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [shape], "names": names and list(names)}


def test_layout(root: Path) -> None:
    files = sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file())
    assert files == [
        "data/chunk-000/file-000.parquet",
        "meta/contract.json",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
    ]


def test_info(root: Path, episodes: list[Episode]) -> None:
    axes = [name.split(" ")[0] for name in ACTION]
    assert axes[0] == "translation_x" and axes[6] == "gripper"
    image = {"dtype": "image", "shape": [SIZE, SIZE, 3], "names": ["height", "width", "channels"]}
    assert json.loads((root / "meta" / "info.json").read_text()) == {
        "codebase_version": "v3.0",
        "robot_type": "fr3_hand",
        "total_episodes": 8,
        "total_frames": sum(map(len, episodes)),
        "total_tasks": 2,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": 10,
        "splits": {"train": "0:6", "val": "6:8"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
        "features": {
            "observation.images.image": image,
            "observation.state": number("float32", 19, PROPRIOCEPTION),
            "action": number("float32", 7, ACTION),
            "next.reward": number("float32"),
            "next.done": number("bool"),
            "next.truncated": number("bool"),
            "next.success": number("bool"),
            "teacher.mean": number("float32", 7, axes),
            "teacher.log_std": number("float32", 7, axes),
            "teacher.version": number("int64"),
            "executed_by": number("int64"),
            "stamp.camera": number("int64"),
            "stamp.state": number("int64"),
            "timestamp": number("float32"),
            "frame_index": number("int64"),
            "episode_index": number("int64"),
            "index": number("int64"),
            "task_index": number("int64"),
        },
    }


def test_contract_lies_beside_it(data: Path, root: Path) -> None:
    contract = (root / "meta" / "contract.json").read_bytes()
    assert contract == (data / "1.0.0" / "contract.json").read_bytes()


def test_types_of_the_columns(root: Path) -> None:
    schema = pq.read_schema(root / "data" / "chunk-000" / "file-000.parquet")
    assert (
        str(schema.field("observation.images.image").type) == "struct<bytes: binary, path: string>"
    )
    assert str(schema.field("action").type) == "fixed_size_list<element: float>[7]"
    kinds = {name: str(schema.field(name).type) for name in ("timestamp", "index", "next.done")}
    assert kinds == {"timestamp": "float", "index": "int64", "next.done": "bool"}
    described = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(described) == schema.names
    assert described["observation.images.image"] == {"_type": "Image"}
    assert described["next.done"] == {"dtype": "bool", "_type": "Value"}
    value = {"dtype": "float32", "_type": "Value"}
    assert described["action"] == {"feature": value, "length": 7, "_type": "List"}


def test_every_step_is_that_of_the_rlds_dataset(root: Path, episodes: list[Episode]) -> None:
    frames = iter(rows(root / "data"))
    instructions = [
        row["task"] for row in pq.read_table(root / "meta" / "tasks.parquet").to_pylist()
    ]
    index = 0
    for number_, episode in enumerate(episodes):
        for step in range(len(episode)):
            frame = next(frames)
            assert frame["observation.images.image"]["bytes"] == episode.images["image"][step]
            for key, values in {
                "observation.state": episode.state,
                "action": episode.action,
                "next.reward": episode.reward,
                "next.done": episode.is_last,
                "teacher.mean": episode.teacher_mean,
                "teacher.log_std": episode.teacher_log_std,
                "teacher.version": episode.teacher_version,
                "executed_by": episode.executed_by,
                "stamp.camera": episode.image_stamp,
                "stamp.state": episode.state_stamp,
            }.items():
                np.testing.assert_array_equal(np.array(frame[key], values.dtype), values[step], key)
            terminal = frame["next.done"] and not frame["next.truncated"]
            assert terminal == episode.is_terminal[step] == (episode.discount[step] == 0)
            assert frame["next.success"] == (episode.is_last[step] and episode.metadata.success)
            assert frame["timestamp"] == np.float32(step / 10)
            assert (frame["frame_index"] == 0) == episode.is_first[step]
            places = [frame[key] for key in ("frame_index", "episode_index", "index")]
            assert places == [step, number_, index]
            assert instructions[frame["task_index"]] == episode.instruction[step]
            index += 1
    assert next(frames, None) is None
    assert {e.metadata.success for e in episodes} == {True, False}


def test_episodes_know_their_place_and_origin(root: Path, episodes: list[Episode]) -> None:
    start = 0
    table = rows(root / "meta" / "episodes")
    assert len(table) == len(episodes)
    for index, (row, episode) in enumerate(zip(table, episodes, strict=True)):
        assert row["episode_index"] == index
        assert row["tasks"] == [episode.instruction[0]]
        assert row["length"] == len(episode)
        assert [row["dataset_from_index"], row["dataset_to_index"]] == [start, start + len(episode)]
        for place in ("data", "meta/episodes"):
            assert row[f"{place}/chunk_index"] == row[f"{place}/file_index"] == 0
        for name in ("task", "variant", "source", "seed", "success", "region", "domain", "bag"):
            assert row[f"episode_metadata/{name}"] == getattr(episode.metadata, name)
        assert row["episode_metadata/rotation_scale"] == np.float32(0.1)
        start += len(episode)
    assert max(row["episode_metadata/seed"] for row in table) == 2**64 - 1


def test_instructions_are_the_index_of_the_tasks(root: Path) -> None:
    table = pq.read_table(root / "meta" / "tasks.parquet")
    assert {row["task"] for row in table.to_pylist()} == {INSTRUCTION, OTHER}
    assert [row["task_index"] for row in table.to_pylist()] == [0, 1]
    pandas = json.loads(table.schema.metadata[b"pandas"])
    assert pandas["index_columns"] == ["task"]
    assert [column["name"] for column in pandas["columns"]] == ["task_index", "task"]


def check_numbers(found: dict[str, Any], values: np.ndarray) -> None:
    values = values.reshape(len(values), -1)
    assert found["min"] == values.min(0).tolist() and found["max"] == values.max(0).tolist()
    np.testing.assert_allclose(found["mean"], values.mean(0, dtype=float), rtol=1e-12)
    np.testing.assert_allclose(found["std"], values.std(0, dtype=float), rtol=1e-9, atol=1e-12)
    for name, part in QUANTILES.items():
        expected = np.quantile(values.astype(float), part, axis=0)
        np.testing.assert_allclose(found[name], expected, rtol=1e-12)
    assert found["count"] == [len(values)]


def check_images(found: dict[str, Any], images: list[bytes]) -> None:
    pixels = np.concatenate([decode(data).reshape(-1, 3) for data in images]) / 255
    for name, values in {
        "min": pixels.min(0),
        "max": pixels.max(0),
        "mean": pixels.mean(0),
        "std": pixels.std(0),
        **{k: np.quantile(pixels, q, 0, method="inverted_cdf") for k, q in QUANTILES.items()},
    }.items():
        np.testing.assert_allclose(found[name], values.reshape(3, 1, 1), rtol=1e-9, err_msg=name)
    assert found["count"] == [len(images)]


def test_statistics_are_those_of_numpy(root: Path, episodes: list[Episode]) -> None:
    found = json.loads((root / "meta" / "stats.json").read_text())
    assert set(found) == set(json.loads((root / "meta" / "info.json").read_text())["features"])
    check_numbers(found["action"], np.concatenate([e.action for e in episodes]))
    check_numbers(found["observation.state"], np.concatenate([e.state for e in episodes]))
    check_numbers(found["next.done"], np.concatenate([e.is_last for e in episodes]))
    check_numbers(found["executed_by"], np.concatenate([e.executed_by for e in episodes]))
    check_numbers(found["index"], np.arange(sum(map(len, episodes))))
    check_images(
        found["observation.images.image"], [i for e in episodes for i in e.images["image"]]
    )
    for row, episode in zip(rows(root / "meta" / "episodes"), episodes, strict=True):

        def of(key: str, row: dict[str, Any] = row) -> dict[str, Any]:
            prefix = f"stats/{key}/"
            return {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix)}

        check_numbers(of("action"), episode.action)
        check_numbers(of("next.success"), episode.is_last & episode.metadata.success)
        check_images(of("observation.images.image"), episode.images["image"])


def test_levels_of_images_and_the_quantiles_between_them() -> None:
    levels = np.zeros((3, 256), int)
    levels[0, [0, 255]] = 50  # half of them: the lower level is the median
    levels[1, 51] = 100
    levels[2, [51, 102, 204]] = 1, 98, 1
    found = describe_images(levels, 4)
    squeezed = {name: np.ravel(values) for name, values in found.items()}
    np.testing.assert_allclose(squeezed["min"], [0.0, 0.2, 0.2])
    np.testing.assert_allclose(squeezed["max"], [1.0, 0.2, 0.8])
    np.testing.assert_allclose(squeezed["mean"], [0.5, 0.2, 0.402])
    np.testing.assert_allclose(squeezed["std"], [0.5, 0.0, 0.0446], atol=1e-4)
    np.testing.assert_allclose(squeezed["q01"], [0.0, 0.2, 0.2])
    np.testing.assert_allclose(squeezed["q50"], [0.0, 0.2, 0.4])
    np.testing.assert_allclose(squeezed["q99"], [1.0, 0.2, 0.4])
    assert found["count"] == [4]


def test_files_of_bounded_size(tmp_path: Path) -> None:
    run = write_run(tmp_path / "long", count=6, steps=120)
    out = tmp_path / "long_data"
    assert main([str(run), "--out", str(out)]) == 0
    lerobot.export(Dataset(out), tmp_path / "small", file_size=1)
    lerobot.export(Dataset(out), tmp_path / "large")
    assert rows(tmp_path / "small" / "data") == rows(tmp_path / "large" / "data")
    files = sorted((tmp_path / "small" / "data" / "chunk-000").iterdir())
    assert [f.name for f in files] == [
        "file-000.parquet",
        "file-001.parquet",
        "file-002.parquet",
        "file-003.parquet",
    ]
    assert all(f.stat().st_size <= 1 << 20 for f in files)
    whereabouts = {}
    for index, file in enumerate(files):
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            (episode,) = set(parquet.read_row_group(group)["episode_index"].to_pylist())
            whereabouts[episode] = index
    table = rows(tmp_path / "small" / "meta" / "episodes")
    assert {row["episode_index"]: row["data/file_index"] for row in table} == whereabouts
    assert (
        json.loads((tmp_path / "small" / "meta" / "info.json").read_text())["data_files_size_in_mb"]
        == 1
    )


def test_many_episodes_and_full_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "short", count=5, steps=3)
    out = tmp_path / "short_data"
    assert main([str(run), "--out", str(out)]) == 0
    lerobot.export(Dataset(out), tmp_path / "one")
    monkeypatch.setattr(lerobot, "ROWS", 2)
    monkeypatch.setattr(lerobot, "FILES_PER_CHUNK", 2)
    lerobot.export(Dataset(out), tmp_path / "many", file_size=0)
    table = rows(tmp_path / "many" / "meta" / "episodes")
    places = [(row["data/chunk_index"], row["data/file_index"]) for row in table]
    assert places == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert rows(tmp_path / "many" / "data") == rows(tmp_path / "one" / "data")


def test_the_same_bags_give_the_same_bytes_and_leave_nothing_else(
    run: Path, root: Path, tmp_path: Path
) -> None:
    again = tmp_path / "plugs"
    command = [str(run), "--out", str(again), "--status", "all", "--format", "lerobot"]
    assert main(command) == 0
    assert [p.name for p in again.iterdir()] == ["lerobot"]
    for file in (p for p in root.rglob("*") if p.is_file()):
        assert (again / "lerobot" / file.relative_to(root)).read_bytes() == file.read_bytes(), file
    assert main(command) == 2
    assert main([*command, "--overwrite", "--task", "connector/vga"]) == 0
    assert json.loads((again / "lerobot" / "meta" / "info.json").read_text())["total_episodes"] == 5
    assert [p.name for p in again.iterdir()] == ["lerobot"]


def test_a_rate_that_lerobot_cannot_tell(data: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data / "1.0.0", tmp_path / "1.0.0")
    contract = json.loads((copy / "contract.json").read_text()) | {"control_rate_hz": 12.5}
    (copy / "contract.json").write_text(json.dumps(contract))
    with pytest.raises(ValueError, match=r"whole frames per second, these are 12\.5"):
        lerobot.export(Dataset(copy), tmp_path / "lerobot")
    assert not (tmp_path / "lerobot").exists()


def test_dataset_says_that_it_reads_rlds(
    data: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(root, alone / "lerobot")
    for path in (root, alone):
        assert dataset.main(["info", str(path)]) == 2
        assert "is a LeRobot dataset" in capsys.readouterr().err
    assert dataset.main(["info", str(data)]) == 0


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The class LeRobotDataset; its caches lie in a folder of the tests, and it may not ask the network."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("HF_HOME", str(tmp_path_factory.mktemp("hugging_face")))
        environment.setenv("HF_HUB_OFFLINE", "1")
        module = pytest.importorskip("lerobot.datasets.lerobot_dataset")
        yield module.LeRobotDataset


def test_lerobot_reads_every_step(reader: Any, root: Path, episodes: list[Episode]) -> None:
    found = reader("rldg/plugs", root=root)
    assert (found.num_episodes, found.fps, len(found)) == (8, 10, sum(map(len, episodes)))
    steps = ((episode, step) for episode in episodes for step in range(len(episode)))
    for index, (episode, step) in enumerate(steps):
        item = found[index]
        image = item["observation.images.image"].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(
            (image * 255).round().astype(np.uint8), decode(episode.images["image"][step])
        )
        np.testing.assert_array_equal(item["observation.state"].numpy(), episode.state[step])
        np.testing.assert_array_equal(item["action"].numpy(), episode.action[step])
        np.testing.assert_array_equal(item["teacher.mean"].numpy(), episode.teacher_mean[step])
        assert item["stamp.camera"].item() == episode.image_stamp[step]
        assert item["next.reward"].item() == episode.reward[step]
        assert item["next.done"].item() == episode.is_last[step]
        assert item["task"] == episode.instruction[step]
    assert found.meta.episodes[7]["episode_metadata/bag"] == episodes[7].metadata.bag
    np.testing.assert_allclose(
        found.meta.stats["action"]["mean"],
        np.concatenate([e.action for e in episodes]).mean(0),
        atol=1e-6,
    )
    assert found.meta.stats["observation.images.image"]["std"].shape == (3, 1, 1)


def test_lerobot_loads_chunks_of_the_split_val(
    reader: Any, root: Path, episodes: list[Episode]
) -> None:
    import torch

    begin, end = map(
        int, json.loads((root / "meta" / "info.json").read_text())["splits"]["val"].split(":")
    )
    found = reader(
        "rldg/plugs",
        root=root,
        episodes=list(range(begin, end)),
        delta_timestamps={"action": [0.0, 0.1, 0.2], "observation.images.image": [-0.1, 0.0]},
    )
    held_out = episodes[begin:end]
    assert len(found) == sum(map(len, held_out))
    seen = 0
    for batch in torch.utils.data.DataLoader(found, batch_size=16, shuffle=True):
        assert batch["observation.images.image"].shape[1:] == (2, 3, SIZE, SIZE)
        for row, (index, step) in enumerate(
            zip(batch["episode_index"], batch["frame_index"], strict=True)
        ):
            actions = episodes[int(index)].action
            wanted = np.arange(3) + int(step)
            expected = actions[wanted.clip(max=len(actions) - 1)]
            np.testing.assert_array_equal(batch["action"][row].numpy(), expected)
            np.testing.assert_array_equal(
                batch["action_is_pad"][row].numpy(), wanted >= len(actions)
            )
            seen += 1
    assert seen == len(found)


def test_lerobot_computes_the_same_statistics(
    reader: Any, root: Path, episodes: list[Episode]
) -> None:
    from lerobot.datasets.compute_stats import get_feature_stats

    found = reader("rldg/plugs", root=root).meta.stats
    for key, values in {
        "action": np.concatenate([e.action for e in episodes]),
        "observation.state": np.concatenate([e.state for e in episodes]),
    }.items():
        theirs = get_feature_stats(values.astype(float), axis=0, keepdims=False)
        for name in ("min", "max", "mean", "std", "count"):
            np.testing.assert_allclose(found[key][name], theirs[name], rtol=1e-6, atol=1e-7)
        for name in (
            QUANTILES
        ):  # theirs come from histograms of 5000 bins and do not interpolate between values
            assert np.abs(found[key][name] - theirs[name]).max() < 0.1 * np.ptp(values), name


def test_lerobots_tools_split_and_merge_it(reader: Any, root: Path, tmp_path: Path) -> None:
    from lerobot.datasets.dataset_tools import merge_datasets, split_dataset

    whole = reader("rldg/plugs", root=root)
    parts = split_dataset(whole, {"train": [0, 1, 2], "val": [3, 4, 5, 6, 7]}, tmp_path / "parts")
    assert {name: part.num_episodes for name, part in parts.items()} == {"train": 3, "val": 5}
    merged = merge_datasets(list(parts.values()), "rldg/merged", tmp_path / "merged")
    assert len(merged) == len(whole)
    for index in (0, len(whole) - 1):
        for key in ("observation.images.image", "action", "stamp.camera"):
            np.testing.assert_array_equal(merged[index][key].numpy(), whole[index][key].numpy())
