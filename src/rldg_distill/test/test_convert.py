# SPDX-License-Identifier: Apache-2.0
"""Bags to datasets: bit by bit, with filters and splits, and past broken bags."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic_bags import INSTRUCTION, SIZE, cut_messages, write_bag, write_run

from rldg_core.bags.bag_reader import images, messages_of, raw_messages
from rldg_core.contract import CURRENT_POSE, GRIPPER_STATE, STEP, WRIST_IMAGE
from rldg_core.message_values import nanoseconds
from rldg_distill.conversion.validation import validate
from rldg_distill.convert import main
from rldg_distill.datasets import statistics
from rldg_distill.datasets.episode import Episode
from rldg_distill.datasets.image_codec import ImageFormat, decode
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.own.own_episode import read_episode
from rldg_distill.recordings.selection import Candidate, choose, split


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def data(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("data") / "plugs"
    assert main([str(run), "--out", str(out), "--val", "0.2", "--shard-episodes", "2"]) == 0
    return out


def episodes(path: Path) -> list[Episode]:
    dataset = Dataset(path)
    return [e for name in dataset.shards for e in dataset.episodes(name)]


def test_pictures_of_different_crops_do_not_mix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = "1:640x480:80,0,480,480:128", "1:640x480:0,0,480,480:128"
    for seed, crop in enumerate([here, here, here, there]):
        write_bag(tmp_path / f"policy_0000{seed}", seed, image_contract=crop)
    *alike, other = (str(tmp_path / f"policy_0000{seed}") for seed in range(4))
    out = str(tmp_path / "out")
    assert main([*alike, other, "--out", out]) != 0
    message = capsys.readouterr().err
    assert "different image contracts" in message and here in message and there in message
    assert main([*alike, "--out", out]) == 0
    assert Dataset(Path(out)).contract.image_contract == here


def test_images_actions_and_beliefs_are_those_of_the_bag(run: Path, data: Path) -> None:
    found = episodes(data)
    assert len(found) == 6
    for episode in found:
        bag = run / "bags" / episode.metadata.bag.split("/")[1]
        seen = images(bag, WRIST_IMAGE)
        steps = messages_of(bag, STEP)
        assert len(steps) == len(episode)
        for index, step in enumerate(steps):
            stamp = nanoseconds(step.image_stamp)
            assert episode.image_stamp[index] == stamp
            np.testing.assert_array_equal(decode(episode.images["image"][index]), seen[stamp])
        actions = np.array([s.action for s in steps])
        np.testing.assert_array_equal(episode.action[:, :3], actions[:, :3] * np.float32(0.015))
        np.testing.assert_array_equal(episode.action[:, 3:6], actions[:, 3:6] * np.float32(0.1))
        assert (episode.action[:, 6] == 0.0).all()
        means = np.array([s.policy_mean for s in steps])
        np.testing.assert_array_equal(episode.teacher_mean[:, :6], means)
        assert (episode.teacher_version == 7).all()
        assert episode.metadata.seed == 2**64 - 1 - int(bag.name[-5:])
        assert episode.metadata.task_id == "connector/vga"
        assert episode.metadata.success


def test_a_gripper_that_is_left_alone_is_what_was_asked_for_last(tmp_path: Path) -> None:
    bag = tmp_path / "bags" / "policy_00000"
    write_bag(bag, steps=7, gripper=(0.0, 1.0, 0.0, 0.0, -1.0, 0.0))  # 2 cm apart at first: closed
    episode = read_episode(bag, ImageFormat("png"), {WRIST_IMAGE.name: "image"})
    assert episode.action[:, 6].tolist() == [0, 1, 1, 1, 0, 0, 0]


def test_steps_begin_end_and_pay_as_rlds_wants_it(data: Path) -> None:
    for episode in episodes(data):
        assert episode.is_first.tolist() == [True] + [False] * 24
        assert episode.is_last.tolist() == [False] * 24 + [True]
        assert episode.is_terminal[-1] and episode.reward[-1] == 1.0 and episode.discount[-1] == 0.0
        assert episode.instruction == [INSTRUCTION] * 25


def test_both_splits_and_the_named_shards_exist(data: Path) -> None:
    names = sorted(p.name for p in (data / "1.0.0").glob("*.tfrecord*"))
    assert names == [
        "plugs-train.tfrecord-00000-of-00003",
        "plugs-train.tfrecord-00001-of-00003",
        "plugs-train.tfrecord-00002-of-00003",
        "plugs-val.tfrecord-00000-of-00001",
    ]
    assert Dataset(data).lengths == {"train": 5, "val": 1}


def test_units_frames_and_cameras_are_described(data: Path) -> None:
    contract = json.loads((data / "1.0.0" / "contract.json").read_text())
    assert contract["action"]["names"][0] == "translation_x [m]"
    assert "TCP" in contract["action"]["frame"]
    assert contract["cameras"] == {"image": "wrist_camera/color/image_raw"}
    assert contract["image_format"] == "png"
    assert contract["contract_version"] == "1"


def test_the_same_bags_give_the_same_bytes(run: Path, data: Path, tmp_path: Path) -> None:
    again = tmp_path / "plugs"
    assert main([str(run), "--out", str(again), "--val", "0.2", "--shard-episodes", "2"]) == 0
    for file in sorted((data / "1.0.0").iterdir()):
        assert (again / "1.0.0" / file.name).read_bytes() == file.read_bytes(), file.name


def test_demonstrations_have_no_teacher(tmp_path: Path) -> None:
    run = write_run(tmp_path / "demos", count=2, source="demonstration")
    assert main([str(run), "--out", str(tmp_path / "demos_data")]) == 0
    for episode in episodes(tmp_path / "demos_data"):
        assert (episode.teacher_version == -1).all() and not episode.teacher_mean.any()
        assert (episode.executed_by == 2).all()


def test_filters(tmp_path: Path) -> None:
    bags = tmp_path / "mixed" / "bags"
    for seed in range(3):
        write_bag(bags / f"policy_{seed:05d}", seed, steps=4)
        write_bag(bags / f"demonstration_{seed:05d}", seed, steps=4, source="demonstration")
        write_bag(bags / f"usb_{seed:05d}", seed, steps=4, variant="usb_a", success=False)

    def converted(*options: str) -> set[str]:
        out = tmp_path / "filtered"
        assert main([str(bags), "--out", str(out), "--overwrite", *options]) == 0
        return {e.metadata.bag.split("/")[1].split("_")[0] for e in episodes(out)}

    assert converted() == {"policy", "demonstration"}
    assert converted("--source", "demonstration") == {"demonstration"}
    assert converted("--status", "failure") == {"usb"}
    assert converted("--status", "all", "--task", "connector/vga") == {"policy", "demonstration"}
    assert converted("--status", "all", "--count", "2") >= {"usb"}  # evenly over two tasks
    assert len(episodes(tmp_path / "filtered")) == 2


def test_every_task_is_in_both_splits_and_counts_are_even() -> None:
    bags = [
        Candidate(Path(f"/r/bags/{t}_{i}"), t) for t, n in (("a", 9), ("b", 3)) for i in range(n)
    ]
    chosen = choose(bags, 6)
    assert sorted(c.task for c in chosen) == ["a"] * 3 + ["b"] * 3
    parts = split(choose(bags, None), 0.1)
    assert {c.task for c in parts["val"]} == {"a", "b"} == {c.task for c in parts["train"]}
    assert not {c.path for c in parts["val"]} & {c.path for c in parts["train"]}
    with pytest.raises(ValueError, match="at least two"):
        split(bags[:1], 0.1)


def test_jpeg_has_the_stated_quality(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "lossy"
    assert main([str(run), "--out", str(out), "--image-format", "jpeg:90"]) == 0
    assert Dataset(out).contract.image_format == "jpeg:90"
    first = episodes(out)[0].images["image"][0]
    assert first.startswith(b"\xff\xd8") and decode(first).shape == (SIZE, SIZE, 3)
    assert '"encodingFormat": "jpeg"' in (out / "1.0.0" / "features.json").read_text()
    for wrong in ("gif", "jpeg:0", "png:3", "jpeg:x"):
        with pytest.raises(ValueError, match=r"png|quality"):
            ImageFormat.parse(wrong)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_hostile_pile(workers: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bags = tmp_path / "pile" / "bags"
    for seed in range(3):
        write_bag(bags / f"good_{seed}", seed, steps=4)
    write_bag(bags / "lost_image", steps=4, lost_image=2)
    write_bag(bags / "no_pose", steps=4, lost_topic=CURRENT_POSE)
    write_bag(bags / "no_gripper", steps=4, lost_topic=GRIPPER_STATE)
    write_bag(bags / "no_camera", steps=4, lost_topic=WRIST_IMAGE)
    write_bag(bags / "no_end", steps=4, ended=False)
    write_bag(bags / "never_closed", steps=4, closed=False)
    write_bag(bags / "other_size", steps=4, camera=lambda _: np.zeros((8, 8, 3), np.uint8))
    for topic in (STEP, CURRENT_POSE, WRIST_IMAGE):
        name = topic.name.split("/")[0]
        cut_messages(write_bag(bags / f"damaged_{name}", steps=4), topic)
    cut = write_bag(bags / "cut_off", steps=4) / "cut_off.mcap"
    whole = len(list(raw_messages(cut.parent)))
    while (
        len(list(raw_messages(cut.parent))) > whole / 2
    ):  # in the middle of the steps, not of the index
        cut.write_bytes(cut.read_bytes()[:-500])
    (write_bag(bags / "zero_bytes", steps=4) / "zero_bytes.mcap").write_bytes(b"")
    (write_bag(bags / "no_file", steps=4) / "no_file.mcap").unlink()
    metadata = write_bag(bags / "other_contract", steps=4) / "metadata.yaml"
    metadata.write_text(
        metadata.read_text().replace("contract_version: '1'", "contract_version: '0'")
    )
    (write_bag(bags / "bad_yaml", steps=4) / "metadata.yaml").write_text("{")
    out = tmp_path / "rest"
    arguments = [str(bags), "--out", str(out), "--workers", workers, "--shard-episodes", "5"]
    assert main(arguments) == 3
    message = capsys.readouterr().err
    reasons = {
        "lost_image": "names the image stamp",
        "no_pose": "has no message of current_pose",
        "no_gripper": "has no message of gripper/state",
        "no_camera": "has no message of wrist_camera/color/image_raw",
        "no_end": "without the message that closes",
        "never_closed": "never closed",
        "other_size": "images of image are (8, 8, 3), those of others (48, 48, 3)",
        "damaged_step": "damaged message",
        "damaged_current_pose": "damaged message",
        "damaged_wrist_camera": "damaged message",
        "cut_off": "bags/cut_off: ",
        "zero_bytes": "has no message of episode",
        "no_file": "no .mcap file",
        "other_contract": "contract version 0",
        "bad_yaml": "damaged",
    }
    for name, reason in reasons.items():
        assert any(name in line and reason in line for line in message.splitlines()), (
            name,
            message,
        )
    assert message.count("rejected") == len(reasons)
    assert len(episodes(out)) == 3
    assert set(Dataset(out).contract.rejected) == {f"pile/{name}" for name in reasons}


def test_errors_say_what_to_do(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*arguments: object) -> str:
        assert main([str(a) for a in arguments]) == 2
        return capsys.readouterr().err

    assert "does not exist" in error(tmp_path / "nowhere", "--out", tmp_path / "x")
    assert "holds no bags" in error(tmp_path, "--out", tmp_path / "x")
    assert "--overwrite" in error(run, "--out", data)
    assert "is no name" in error(run, "--out", tmp_path / "My-Data")
    assert "left out: 6 with source policy" in error(
        run, "--out", tmp_path / "x", "--source", "evaluation"
    )
    assert "no front; there are: image" in error(run, "--out", tmp_path / "x", "--camera", "front")
    (tmp_path / "file").write_text("")
    assert "cannot write" in error(run, "--out", tmp_path / "file" / "x")
    assert not (tmp_path / "x" / "1.0.0").exists()


def test_statistics_are_true_and_never_stale(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "plugs"
    shutil.copytree(data, copy)
    found = statistics.load(copy)
    action = np.concatenate([e.action for e in episodes(copy)]).astype(np.float64)
    np.testing.assert_allclose(found["action"]["mean"], action.mean(0), rtol=1e-12)
    np.testing.assert_allclose(
        found["action"]["q99"], np.quantile(action, 0.99, axis=0), rtol=1e-12
    )
    assert found["action"]["mask"] == [True] * 6 + [False]
    assert (found["num_transitions"], found["num_trajectories"]) == (150, 6)
    # The same place, other data.
    shards = sorted((copy / "1.0.0").glob("plugs-train.tfrecord-*"))
    shutil.copy(shards[0], shards[1])
    assert not statistics.is_fresh(Dataset(copy))
    renewed = statistics.load(copy)
    assert renewed["fingerprint"] != found["fingerprint"]
    assert statistics.is_fresh(Dataset(copy))


def test_rclpy_is_never_imported() -> None:
    code = (
        "import sys, rldg_distill.convert, rldg_distill.dataset;"
        "sys.exit(any(m.split('.')[0] in ('rclpy', 'rldg_rl', 'tensorflow') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_dataset_without_images(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of bags that have images, and of bags that have none: those are none of any other dataset."""
    blind = write_run(tmp_path / "blind", lost_topic=WRIST_IMAGE)
    assert main([str(blind), "--out", str(tmp_path / "refused")]) == 1
    assert "no bag has an image: --camera none" in " ".join(capsys.readouterr().err.split())
    for name, bags in (("of_all", run), ("of_blind", blind)):
        out = tmp_path / name
        assert main([str(bags), "--out", str(out), "--val", "0.2", "--camera", "none"]) == 0
        assert Dataset(out).cameras == []
        assert list(validate(Dataset(out))) == []
        kept = {episode.metadata.seed: episode for episode in episodes(out)}
        for seen in episodes(data):
            episode = kept[seen.metadata.seed]
            assert episode.images == {}
            np.testing.assert_array_equal(episode.action, seen.action)
            np.testing.assert_array_equal(episode.state, seen.state)
            np.testing.assert_array_equal(episode.image_stamp, seen.state_stamp)
    with pytest.raises(SystemExit, match="2"):
        main([str(run), "--out", str(tmp_path / "x"), "--camera", "none", "--camera", "front"])
    assert "--camera none keeps no other" in capsys.readouterr().err
