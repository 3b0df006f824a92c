# SPDX-License-Identifier: Apache-2.0
"""Which images a person said to be no success, out of a run's bags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from test_bag import PERIOD, START, STEPS, encode, header, write_episode

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_rl.rewards.classifier import main
from rldg_rl.rewards.false_firings import firings, mark_false, mined
from rldg_rl.rewards.reward_classifier import Label, train_classifier
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")


def make_run(path: Path, reward: str, answers: dict[str, list[tuple[int, bool]]]) -> RunFolder:
    """Episodes of five steps that succeeded, with what a person answered: after so many steps, yes or no."""
    run = RunFolder(path)
    run.bags.mkdir(parents=True)
    (path / "config.yaml").write_text(yaml.safe_dump({"task": VGA.id, "reward": reward}))
    for name, said in answers.items():
        writer = write_episode(run.bags / name, close=False)
        for step, yes in said:
            stamp = START + step * PERIOD
            answer = encode(contract.ANSWER, header=header(stamp), yes=yes)
            writer.write(contract.ANSWER.name, stamp, answer)
        writer.close(EpisodeSummary(name, "policy", "success", VGA.id, 3, STEPS, 0, 0.5))
    return run


def looks(step: int) -> int:
    """What every pixel is after so many steps."""
    return (START // PERIOD + step) % 255


def test_a_no_makes_negatives_of_the_images_that_looked_done(tmp_path: Path) -> None:
    answers = {
        "policy_00000": [(3, False), (3, False), (5, True)],
        "policy_00001": [
            (-7, False)
        ],  # the last word of the episode before, at the bag's beginning
        "policy_00002": [(5, True)],
    }
    run = make_run(tmp_path / "first", "classifier, confirmed by a person", answers)
    labels = mined(run, VGA)
    assert [int(label.image[0, 0, 0]) for label in labels] == [looks(2), looks(3)]
    assert {(label.episode, label.done) for label in labels} == {("first/policy_00000", False)}
    with pytest.raises(UserError, match="a review is of what reward:=classifier said alone"):
        firings(run, VGA)


def test_one_labelled_episode_beside_what_was_mined_teaches_nothing() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    said = [Label(image, done, "demonstration_00000", 1.0) for done in (True, False)]
    others = [Label(image, False, f"first/policy_{number:05d}", 0.0) for number in range(4)]
    with pytest.raises(UserError, match="both kinds in those that are not held out"):
        train_classifier([*said, *others], 0.01, seed=0)


def test_a_run_of_another_task_is_not_mined(tmp_path: Path) -> None:
    run = make_run(tmp_path / "first", "classifier, confirmed by a person", {"policy_00000": []})
    with pytest.raises(UserError, match="says nothing of connector/hdmi"):
        mined(run, load_task("connector/hdmi"))


def test_what_a_person_strikes_from_the_sheet_is_mined(tmp_path: Path) -> None:
    run = make_run(tmp_path / "first", "classifier", {f"policy_0000{n}": [] for n in range(3)})
    with pytest.raises(UserError, match="no person has said where the classifier was wrong"):
        mined(run, VGA)
    fired = firings(run, VGA)
    assert [firing.episode for firing in fired] == ["policy_00000", "policy_00001", "policy_00002"]
    last = [[int(image.flat[0]) for image in firing.images] for firing in fired]
    assert last == [[looks(STEPS - 1), looks(STEPS)]] * 3
    with pytest.raises(UserError, match="there is no image 4: they are numbered 1 to 3"):
        mark_false(run, fired, {4})
    mark_false(run, fired, {1, 3})
    labels = mined(run, VGA)
    assert [label.episode for label in labels] == ["first/policy_00000"] * 2 + [
        "first/policy_00002"
    ] * 2
    mark_false(run, fired, set())
    assert mined(run, VGA) == []


def test_the_sheet_is_drawn_and_struck_from_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "first", "classifier", {f"policy_{n:05d}": [] for n in range(12)})
    words = ["review", "first", "--runs", str(tmp_path)]
    assert main(words) == 0
    assert "12 moments" in capsys.readouterr().out
    assert (run.path / "firings.png").stat().st_size > 5_000
    assert main([*words, "--false", "2,4-6"]) == 0
    assert "4 of 12 were false" in capsys.readouterr().out
    struck = {int(np.uint8(label.episode[-1:])) for label in mined(run, VGA)}
    assert struck == {1, 3, 4, 5}


def test_another_reward_has_nothing_to_review(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path / "first", "twin", {"policy_00000": []})
    assert main(["review", "first", "--runs", str(tmp_path)]) == 2
    assert "the reward was said by twin" in capsys.readouterr().err
