# SPDX-License-Identifier: Apache-2.0
"""A run whose files a power cut, a full disk or a hand damaged: it goes on, or one line says what to do."""

from __future__ import annotations

import random
import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
from test_bag import VGA, write_episode

from rldg_bringup.arguments import StackError
from rldg_bringup.leaders import task_of
from rldg_bringup.recorded import tasks_of
from rldg_bringup.run_settings import settings
from rldg_core.user_error import UserError
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    load_learner,
    load_policy,
    save_learner,
    save_policy,
)
from rldg_rl.agent_config import agent_config
from rldg_rl.environment.reset_count import ResetCount, keep_resets, read_resets
from rldg_rl.episodes.bag import stored_steps
from rldg_rl.episodes.mending import mend_bags
from rldg_rl.evaluation.conditions import Conditions, conditions_of
from rldg_rl.evaluation.results import Record, RecordFile
from rldg_rl.robot.observation import state_dim
from rldg_rl.run_folder import RunFolder, RunFolderError

CONFIG = {"task": "connector/vga", "observation": "state", "seed": 0, "perturb": "light:0.5"}
ONE_LINE = (UserError, RunFolderError, CheckpointError, StackError)
BAGS = ("policy_00000", "policy_00001", "demonstration_00000")
RECORD = Record("connector/vga", 0, 7, True, 1.5, 15, 3.0, 0.2, None, "evaluation_00000")
SMALL = ("config.yaml", "wall_seconds.json", "resets.json", "episodes.jsonl", "arguments.yaml")
DAMAGES = {
    "empty": lambda _: b"",
    "zeros": lambda data: bytes(len(data)),
    "half": lambda data: data[: len(data) // 2],
    "tail of zeros": lambda data: data[: len(data) // 2] + bytes(len(data) - len(data) // 2),
    "list": lambda _: b"[1, 2]\n",
    "text": lambda _: b"Dear diary\n",
    "null": lambda _: b"null\n",
    "deep": lambda _: b"[" * 3000 + b"\n",
    "infinite": lambda _: b"{a: .inf, b: NaN}\n",
    "no text": lambda _: b"\xff\xfe\x00\x80\n",
}
WITHOUT_HALF = [name for name in DAMAGES if name != "half"]
"""half of a short text may say something"""


def agent() -> Agent:
    return Agent(agent_config(VGA), state_dim(VGA), VGA.action_dim, 0)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped in the middle."""
    run = RunFolder(tmp_path_factory.mktemp("runs") / "first")
    run.prepare()
    run.settle_config(CONFIG)
    run.keep_wall_seconds(12.3)
    keep_resets(run, ResetCount(3, 6.0, 1))
    records = RecordFile(run.records)
    for number in range(3):
        records.add(Record(**{**asdict(RECORD), "number": number}))
    for name in BAGS:
        write_episode(run.bags / name)
    save_learner(run.learner_checkpoint, agent(), VGA.id, 5)
    save_policy(run.policy_checkpoint, agent().policy, VGA.id, 5)
    arguments = "stack: train_rl\narguments:\n  task: connector/vga\n  demos: 5\n"
    (run.path / "arguments.yaml").write_text(arguments)
    return run.path


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(sound, tmp_path / "first")))


def resume(run: RunFolder) -> None:
    """All that a stack, its actor, its recorder and its learner read of a run when they start; in their order."""
    settings(run.path, "train_rl")
    run.prepare()
    list(mend_bags(run))
    run.settle_config(CONFIG)
    run.wall_seconds()
    read_resets(run)
    RecordFile(run.records).mend()
    for episode in run.episodes():
        list(stored_steps(run.bags / episode.episode_id, VGA))
    run.next_episode_number("policy")
    conditions_of(run)
    if run.learner_checkpoint.is_file():
        load_learner(run.learner_checkpoint, agent(), VGA.id)
    if run.policy_checkpoint.is_file():
        load_policy(run.policy_checkpoint, VGA.id)


def test_a_sound_run_goes_on(run: RunFolder) -> None:
    resume(run)

    assert run.wall_seconds() == 12.3 and read_resets(run) == ResetCount(3, 6.0, 1)
    assert len(run.episodes()) == len(BAGS) and len(RecordFile(run.records).read()) == 3
    assert conditions_of(run) == Conditions("light:0.5")
    assert not list(run.path.rglob("*.damaged"))


@pytest.mark.parametrize("damage", WITHOUT_HALF)
@pytest.mark.parametrize("name", ["wall_seconds.json", "resets.json"])
def test_what_is_only_counted_is_counted_anew(
    run: RunFolder, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = run.path / name
    damaged = DAMAGES[damage](file.read_bytes())
    file.write_bytes(damaged)

    resume(run)

    counted = {"wall_seconds.json": run.wall_seconds, "resets.json": lambda: read_resets(run)}
    assert counted[name]() == {"wall_seconds.json": 0.0, "resets.json": ResetCount()}[name]
    (message,) = capsys.readouterr().err.splitlines()
    assert f"{file} cannot be used" in message and f"the old file is {file}.damaged" in message
    assert Path(f"{file}.damaged").read_bytes() == damaged


@pytest.mark.parametrize("damage", WITHOUT_HALF)
@pytest.mark.parametrize("name", ["config.yaml", "arguments.yaml"])
def test_what_a_run_was_made_with_is_not_guessed(run: RunFolder, name: str, damage: str) -> None:
    file = run.path / name
    damaged = DAMAGES[damage](file.read_bytes())
    file.write_bytes(damaged)

    with pytest.raises(ONE_LINE, match="delete it") as error:
        resume(run)

    assert str(file) in str(error.value) and "\n" not in str(error.value)
    assert file.read_bytes() == damaged


@pytest.mark.parametrize("damage", ["list", "text", "no text", "null"])
def test_a_line_that_is_no_record_is_reported_by_its_number(run: RunFolder, damage: str) -> None:
    lines = run.records.read_bytes().splitlines(keepends=True)
    run.records.write_bytes(lines[0] + DAMAGES[damage](b"") + lines[2])

    with pytest.raises(UserError, match=r"line 2 of .*episodes.jsonl is no record of an episode"):
        resume(run)


@pytest.mark.parametrize("end", [b"", b"\0" * 4000, b'{"task": "conn'])
def test_a_last_line_that_is_no_line_is_passed_over(run: RunFolder, end: bytes) -> None:
    run.records.write_bytes(run.records.read_bytes() + end)

    resume(run)

    assert len(RecordFile(run.records).read()) == 3
    assert run.records.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["learner.safetensors", "policy.safetensors"])
def test_a_damaged_checkpoint_is_reported(run: RunFolder, name: str, damage: str) -> None:
    file = run.learner_checkpoint.with_name(name)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))

    with pytest.raises(CheckpointError, match=name):
        resume(run)


@pytest.mark.parametrize(
    "arguments",
    ["{task: [1]}", "{demos: many}", "{seed: true}", "{demos: null}", "{task: 7}", "{steps: 1.5}"],
)
def test_kept_arguments_of_another_kind_are_reported(run: RunFolder, arguments: str) -> None:
    from rldg_bringup.stacks import STACKS

    file = run.path / "arguments.yaml"
    file.write_text(f"stack: train_rl\narguments: {arguments}\n")

    with pytest.raises(StackError, match=r"arguments\.yaml cannot be used"):
        STACKS["train_rl"].plan({"runs": str(run.path.parent), "name": run.path.name})


def garble(data: bytes, chance: random.Random) -> bytes:
    """Damaged in one of the ways that disks, power cuts and hands know."""
    damaged = bytearray(data)
    match chance.randrange(6):
        case 0:
            return b""
        case 1:
            return bytes(len(data))
        case 2:
            return data[: chance.randrange(len(data) + 1)]
        case 3:
            place = chance.randrange(len(data) + 1)
            return data[:place] + bytes(len(data) - place)
        case 4:
            for _ in range(chance.randrange(1, 9)):
                damaged[chance.randrange(len(data))] = chance.randrange(256)
            return bytes(damaged)
        case _:
            return chance.randbytes(chance.randrange(300))


@pytest.mark.parametrize("seed", range(30))
def test_whatever_is_damaged_the_run_goes_on_or_says_why_not(run: RunFolder, seed: int) -> None:
    chance = random.Random(seed)
    files = [f for f in sorted(run.path.rglob("*")) if f.is_file() and "tensorboard" not in f.parts]
    for file in chance.sample(files, chance.randrange(1, 5)):
        data = file.read_bytes()
        file.write_bytes(garble(data, chance) if data else b"x")
    for _ in range(3):  # a person does what they are told
        try:
            resume(run)
            break
        except ONE_LINE as error:
            assert "\n" not in str(error) and len(str(error)) < 1500
            for name in (
                *SMALL,
                "checkpoints/learner.safetensors",
                "checkpoints/policy.safetensors",
            ):
                if str(run.path / name) in str(error):
                    (run.path / name).unlink()
    task_names = tasks_of(run.path)
    assert all(isinstance(name, str) for name in task_names)
    try:
        task_of(run.path)
    except StackError as error:
        assert "names no task" in str(error)
