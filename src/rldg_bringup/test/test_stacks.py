# SPDX-License-Identifier: Apache-2.0
"""Tests of the stacks and their arguments."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
import yaml

from rldg_bringup.arguments import StackError, show
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stacks import STACKS, Plan, environment

NOON = datetime(2026, 11, 21, 15, 30)
TRAIN = STACKS["train_rl"]
EVALUATE = STACKS["evaluate"]


@pytest.fixture
def runs(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


def start(plan: Plan) -> Plan:
    """What a start leaves in the run folder."""
    RunClaim(plan).release()
    return plan


def parameters(plan: Plan) -> dict[str, dict[str, object]]:
    return {node.name: dict(node.parameters) for node in plan.nodes}


def test_training_starts_the_nodes_that_it_needs_in_order(runs: str) -> None:
    plan = TRAIN.plan({"runs": runs}, NOON)

    assert [f"{node.package}/{node.executable}" for node in plan.nodes] == [
        *("rldg_robot/twin", "rldg_robot/safety_gate", "rldg_robot/operator"),
        *("rldg_rl/recorder", "rldg_rl/learner", "rldg_rl/actor", "rldg_rl/monitor"),
    ]
    assert [node.name for node in plan.nodes if node.required] == ["actor"]
    assert [node.name for node in plan.nodes if node.output == "screen"] == ["monitor"]


def test_only_the_clock_itself_does_not_use_simulated_time(runs: str) -> None:
    plan = TRAIN.plan({"runs": runs, "viewer": "true"}, NOON)

    use_sim_time = {name: values["use_sim_time"] for name, values in parameters(plan).items()}
    assert use_sim_time.pop("twin") is False
    assert set(use_sim_time.values()) == {True}
    assert "viewer" in use_sim_time


def test_parameters_are_typed(runs: str) -> None:
    given = {"runs": runs, "name": "a", "seed": "3", "real_time_factor": "1"}
    found = parameters(TRAIN.plan(given))

    assert found["twin"] == {
        "task": "connector/vga",
        "real_time_factor": 1.0,
        "randomize": False,
        "use_sim_time": False,
    }
    assert found["actor"] == {
        "run": f"{runs}/a",
        "task": "connector/vga",
        "seed": 3,
        "demos": 20,
        "steps": 8000,
        "episodes": 20,
        "operator": "scripted",
        "observation": "state",
        "mode": "train",
        "lockstep": False,
        "use_sim_time": True,
    }


@pytest.mark.parametrize(
    ("operator", "node"), [("scripted", "operator"), ("spacemouse", "spacenav"), ("none", None)]
)
def test_the_operator_is_a_script_a_device_or_nobody(
    runs: str, operator: str, node: str | None
) -> None:
    names = [node.name for node in TRAIN.plan({"runs": runs, "operator": operator}).nodes]

    assert [name for name in names if name in ("operator", "spacenav")] == ([node] if node else [])


def test_a_spacemouse_runs_the_twin_in_real_time(runs: str) -> None:
    for given, factor in (({}, 1.0), ({"real_time_factor": "0.5"}, 0.5)):
        found = parameters(TRAIN.plan({"runs": runs, "operator": "spacemouse", **given}))
        assert found["twin"]["real_time_factor"] == factor
        assert found["actor"]["lockstep"] is False


def test_a_run_is_named_after_task_and_time(runs: str) -> None:
    plan = TRAIN.plan({"runs": runs, "task": "connector/usb_a"}, NOON)

    assert plan.run == Path(runs) / "connector_usb_a_20261121_153000"


def test_a_resumed_run_keeps_its_own_arguments(runs: str) -> None:
    first = {"runs": runs, "name": "a", "task": "connector/usb_a", "seed": "3", "demos": "5"}
    start(TRAIN.plan(first))

    resumed = TRAIN.plan({"runs": runs, "name": "a", "steps": "99"})

    assert [resumed.values[name] for name in ("task", "seed", "demos", "steps")] == [
        *("connector/usb_a", 3, 5, 99)
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [({"task": "connector/hdmi"}, "connector/usb_a"), ({"seed": "4"}, "seed:=3")],
)
def test_a_resumed_run_cannot_become_another(runs: str, change: dict[str, str], told: str) -> None:
    first = {"runs": runs, "name": "a", "task": "connector/usb_a", "seed": "3"}
    start(TRAIN.plan(first))

    with pytest.raises(StackError, match=told):
        TRAIN.plan({**first, **change})


def test_evaluation_takes_the_task_of_its_run(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a", "task": "connector/usb_a", "episodes": "7"}))
    before = (Path(runs) / "a/arguments.yaml").read_text()

    plan = start(EVALUATE.plan({"runs": runs, "name": "a"}, NOON))

    assert parameters(plan)["twin"]["task"] == "connector/usb_a"
    folder = f"{runs}/a/evaluations/20261121_153000"
    assert parameters(plan)["recorder"]["run"] == folder
    assert parameters(plan)["actor"] == {
        "run": folder,
        "policy": f"{runs}/a/checkpoints/policy.safetensors",
        "task": "connector/usb_a",
        "seed": 0,
        "episodes": 20,
        "observation": "state",
        "deterministic": False,
        "operator": "none",
        "mode": "evaluate",
        "lockstep": True,
        "use_sim_time": True,
    }
    assert {"learner", "operator"}.isdisjoint(parameters(plan))
    assert (Path(runs) / "a/arguments.yaml").read_text() == before


def test_evaluation_of_a_missing_run_names_the_runs_there_are(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "monday"}))

    with pytest.raises(StackError, match=r"no run 'mondy'.*Did you mean 'monday'\?"):
        EVALUATE.plan({"runs": runs, "name": "mondy"})


def test_broken_settings_are_a_clear_error(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a"}))
    (Path(runs) / "a/arguments.yaml").write_text("nonsense")

    with pytest.raises(StackError, match=r"cannot read .*arguments.yaml"):
        TRAIN.plan({"runs": runs, "name": "a"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"demo": "1"}, r"unknown argument 'demo'. Did you mean 'demos'\? Valid: task, name"),
        ({"robot": "simm"}, r"robot:=simm is not valid. Did you mean 'sim'\? Valid: sim"),
        ({"observation": "image"}, "Valid: state"),
        ({"viewer": "True"}, "Valid: true, false"),
        ({"demos": "-1"}, "at least 0"),
        ({"steps": "many"}, "whole number"),
        ({"real_time_factor": "nan"}, "a number of at least 0"),
        ({"task": "vga"}, "family/variant"),
        ({"name": "../a"}, "no '/'"),
    ],
)
def test_a_bad_argument_is_told_with_the_valid_ones(given: dict[str, str], told: str) -> None:
    with pytest.raises(StackError, match=told):
        TRAIN.plan(given)


def test_evaluation_needs_a_run() -> None:
    with pytest.raises(StackError, match="give name:="):
        EVALUATE.plan({})


def test_shown_arguments_have_descriptions_choices_and_defaults() -> None:
    shown = show(TRAIN.arguments)

    for argument in TRAIN.arguments:
        assert f"    '{argument.name}':\n        {argument.description}" in shown
    assert "['scripted', 'spacemouse', 'none']\n        (default: 'scripted')" in shown


def test_the_callers_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert environment()["OMP_NUM_THREADS"] == "1"

    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert "OMP_NUM_THREADS" not in environment()


def test_one_stack_at_a_time_uses_a_run(runs: str) -> None:
    plan = TRAIN.plan({"runs": runs, "name": "a"})
    claim = RunClaim(plan)

    with pytest.raises(StackError, match="another stack is using the run"):
        RunClaim(plan)

    claim.release()
    RunClaim(plan).release()


def test_an_unwritable_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StackError, match="cannot write the run folder"):
        RunClaim(TRAIN.plan({"runs": str(tmp_path / "file"), "name": "a"}))


def test_the_arguments_lie_in_the_run(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a", "seed": "3"}))

    found = yaml.safe_load((Path(runs) / "a/arguments.yaml").read_text())
    assert found["stack"] == "train_rl"
    assert found["arguments"]["seed"] == 3


def test_refused_arguments_are_forgotten(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a", "demos": "5"}))
    claim = RunClaim(TRAIN.plan({"runs": runs, "name": "a", "demos": "6"}))

    claim.forget()
    claim.release()

    assert TRAIN.plan({"runs": runs, "name": "a"}).values["demos"] == 5
