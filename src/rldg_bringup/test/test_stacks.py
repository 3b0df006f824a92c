# SPDX-License-Identifier: Apache-2.0
"""Tests of the stacks and their arguments."""

from __future__ import annotations

import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest
import yaml

from rldg_bringup.arguments import Resume, StackError, show
from rldg_bringup.executables import find_executable
from rldg_bringup.run_claim import RunClaim
from rldg_bringup.stack import StackPlan, environment
from rldg_bringup.stacks import STACKS
from rldg_robot.enclaves import ENCLAVES

NOON = datetime(2026, 11, 21, 15, 30)
TRAIN = STACKS["train_rl"]
EVALUATE = STACKS["evaluate"]
REPLAY = STACKS["replay"]


@pytest.fixture
def runs(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


def start(plan: StackPlan) -> StackPlan:
    """What a start leaves in the run folder."""
    RunClaim(plan).release()
    return plan


def parameters(plan: StackPlan) -> dict[str, dict[str, object]]:
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
        "steps": 0,
        "episodes": 20,
        "operator": "scripted",
        "observation": "state",
        "encoder": "demos",
        "reward": "twin",
        "confirm": False,
        "resets": "instant",
        "randomize": False,
        "video": True,
        "mode": "train",
        "real": False,
        "lockstep": False,
        "use_sim_time": True,
    }


@pytest.mark.parametrize(
    ("operator", "read"),
    [
        ("scripted", {"operator": {"task": "connector/vga", "seed": 0}}),
        (
            "spacemouse",
            {
                "spacemouse": {
                    **{"device": "spacenavd", "facing": 180.0, "hold_to_run": True},
                    **{"deadband": 0.1, "task": "connector/vga"},
                }
            },
        ),
        ("gamepad", {"gamepad": {"facing": 180.0, "deadband": 0.1, "task": "connector/vga"}}),
        ("keyboard", {}),
        ("none", {}),
    ],
)
def test_the_operator_is_a_script_a_device_or_absent(
    runs: str, operator: str, read: dict[str, dict[str, object]]
) -> None:
    given = {"runs": runs, "operator": operator}
    if operator in ("spacemouse", "gamepad"):
        given |= {"facing": "180", "deadband": "0.1"}
    if operator == "spacemouse":
        given |= {"device": "spacenavd", "hold_to_run": "true"}
    found = parameters(TRAIN.plan(given))

    hands = {name: found[name] for name in ("operator", "spacemouse", "gamepad") if name in found}
    assert hands == {name: {**values, "use_sim_time": True} for name, values in read.items()}


@pytest.mark.parametrize("operator", ["spacemouse", "keyboard", "gamepad"])
def test_a_hand_runs_the_twin_in_real_time(runs: str, operator: str) -> None:
    for given, factor in (({}, 1.0), ({"real_time_factor": "0.5"}, 0.5)):
        found = parameters(TRAIN.plan({"runs": runs, "operator": operator, **given}))
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
    ("change", "message"),
    [({"task": "connector/hdmi"}, "connector/usb_a"), ({"seed": "4"}, "seed:=3")],
)
def test_a_resumed_run_cannot_become_another(
    runs: str, change: dict[str, str], message: str
) -> None:
    first = {"runs": runs, "name": "a", "task": "connector/usb_a", "seed": "3"}
    start(TRAIN.plan(first))

    with pytest.raises(StackError, match=message):
        TRAIN.plan({**first, **change})


def test_evaluation_takes_the_task_of_its_run(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a", "task": "connector/usb_a", "episodes": "7"}))
    before = (Path(runs) / "a/arguments.yaml").read_text()
    policy = Path(runs) / "a/checkpoints/policy.safetensors"
    policy.parent.mkdir()
    policy.write_bytes(b"")

    plan = start(EVALUATE.plan({"runs": runs, "name": "a"}, NOON))

    assert parameters(plan)["twin"]["task"] == "connector/usb_a"
    folder = f"{runs}/a/evaluations/20261121_153000"
    assert parameters(plan)["recorder"]["run"] == folder
    assert parameters(plan)["actor"] == {
        "run": folder,
        "policy": str(policy),
        "task": "connector/usb_a",
        "seed": 0,
        "episodes": 20,
        "resets": "instant",
        "randomize": False,
        "video": True,
        "deterministic": False,
        "replan": 1,
        "ensemble": -1.0,
        "student_run": "",
        "perturb": "",
        "reward": "twin",
        "confirm": False,
        "operator": "none",
        "mode": "evaluate",
        "real": False,
        "lockstep": True,
        "use_sim_time": True,
    }
    assert {"learner", "operator"}.isdisjoint(parameters(plan))
    assert (Path(runs) / "a/arguments.yaml").read_text() == before


@pytest.fixture
def trained(runs: str) -> str:
    """Name of a run with a policy."""
    start(TRAIN.plan({"runs": runs, "name": "a", "task": "connector/usb_a"}))
    policy = Path(runs) / "a/checkpoints/policy.safetensors"
    policy.parent.mkdir()
    policy.write_bytes(b"")
    return "a"


def test_a_direct_evaluation_is_one_program_that_knows_no_ros(runs: str, trained: str) -> None:
    given = {
        **{"runs": runs, "name": trained, "transport": "direct", "task": "connector/unseen"},
        **{"workers": "3", "deterministic": "true", "evaluation": "new"},
    }
    plan = EVALUATE.plan(given, NOON)

    (node,) = plan.nodes
    assert (node.package, node.executable, node.output) == ("rldg_rl", "evaluator", "screen")
    assert node.required and not node.respawn and not plan.speaks_ros
    assert node.arguments == (
        *(f"{runs}/a", "--name", "new", "--task", "connector/unseen", "--episodes", "20"),
        *("--seed", "0", "--replan", "1", "--workers", "3", "--deterministic"),
    )
    (node,) = EVALUATE.plan(
        {"runs": runs, "name": trained, "transport": "direct", "ray": "auto"}, NOON
    ).nodes
    assert node.arguments is not None
    assert node.arguments[:5] == (
        f"{runs}/a",
        "--name",
        "20261121_153000",
        "--task",
        "connector/usb_a",
    )
    assert node.arguments[-2:] == ("--ray", "auto")


def test_a_perturbation_reaches_whoever_has_to_know(runs: str, trained: str) -> None:
    given = {"runs": runs, "name": trained, "perturb": "clearance:-0.1mm,friction:50%"}
    given_values = parameters(EVALUATE.plan(given))
    assert {name for name, values in given_values.items() if "perturb" in values} == {
        "twin",
        "actor",
    }
    assert given_values["twin"]["perturb"] == given_values["actor"]["perturb"] == given["perturb"]
    (node,) = EVALUATE.plan({**given, "transport": "direct"}).nodes
    assert node.arguments is not None
    assert node.arguments[-2:] == ("--perturb", given["perturb"])


def test_an_evaluation_of_several_tasks_tells_them_to_twin_gate_and_actor(
    runs: str, trained: str
) -> None:
    given = {"runs": runs, "name": trained, "task": "connector/seen,connector/xlr"}
    plan = EVALUATE.plan(given)
    assert plan.speaks_ros
    tasks = {name: values.get("task") for name, values in parameters(plan).items()}
    assert tasks["twin"] == tasks["safety_gate"] == tasks["actor"] == given["task"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": "2"}, "workers:= is for transport:=direct"),
        ({"ray": "auto"}, "ray:= is for transport:=direct"),
        ({"transport": "direct", "viewer": "true"}, "viewer:= needs ROS"),
        ({"transport": "direct", "real_time_factor": "1"}, "real_time_factor:= needs ROS"),
        ({"transport": "direct", "resets": "motion"}, "leave out transport:=direct"),
        ({"resets": "jump"}, "Valid: instant, motion"),
        ({"transport": "dds"}, "Valid: ros, direct"),
        ({"task": "connector/vga,"}, "family/seen or family/unseen"),
        ({"evaluation": "../b"}, "no '/'"),
        ({"perturb": "camera=5mm"}, "axis:value, with commas between several"),
    ],
)
def test_an_impossible_evaluation_is_refused(
    runs: str, trained: str, given: dict[str, str], message: str
) -> None:
    with pytest.raises(StackError, match=message):
        EVALUATE.plan({"runs": runs, "name": trained, **given})


def test_evaluation_of_a_missing_run_names_the_runs_there_are(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "monday"}))

    with pytest.raises(StackError, match=r"no run 'mondy'.*Did you mean 'monday'\?"):
        EVALUATE.plan({"runs": runs, "name": "mondy"})


def record(bag: Path, task: str) -> None:
    """What a bag's metadata tells of its task."""
    bag.mkdir(parents=True)
    custom = {"contract_version": "1", "episode": f'{{"task": "{task}"}}'}
    metadata = {"rosbag2_bagfile_information": {"custom_data": custom}}
    (bag / "metadata.yaml").write_text(yaml.safe_dump(metadata))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of two tasks, of which nothing but bags are there."""
    run = tmp_path / "elsewhere"
    record(run / "bags" / "policy_00000", "connector/vga")
    record(run / "bags" / "policy_00001", "connector/usb_a")
    (run / "bags" / "policy_00002").mkdir()
    return run


def test_a_playback_needs_no_robot(runs: str, run: Path) -> None:
    bag = str(run / "bags" / "policy_00001")
    given = {"runs": runs, "bag": bag, "rate": "0.5", "loop": "true", "viewer": "true"}
    plan = REPLAY.plan(given, NOON)

    assert parameters(plan) == {
        "player": {"bag": bag, "rate": 0.5, "loop": True, "use_sim_time": False},
        "viewer": {"task": "connector/usb_a", "use_sim_time": True},
    }
    assert plan.run == Path(runs) / "replays/policy_00001_20261121_153000"
    (player,) = (node for node in plan.nodes if node.required)
    assert (player.name, player.respawn, player.output) == ("player", False, "screen")


@pytest.mark.parametrize(
    ("path", "tasks"),
    [
        ("bags/policy_00001", "connector/usb_a"),
        ("bags", "connector/usb_a,connector/vga"),
        (".", "connector/usb_a,connector/vga"),
    ],
)
def test_an_execution_takes_robot_gate_recorder_and_the_tasks_of_the_bags(
    runs: str, run: Path, path: str, tasks: str
) -> None:
    plan = REPLAY.plan({"runs": runs, "bag": str(run / path), "execute": "true"}, NOON)

    assert [node.name for node in plan.nodes] == ["twin", "safety_gate", "recorder", "replayer"]
    found = parameters(plan)
    assert found["twin"]["task"] == "connector/usb_a"
    assert found["safety_gate"]["task"] == found["replayer"]["task"] == tasks
    assert found["recorder"]["run"] == found["replayer"]["run"] == str(plan.run)
    assert found["twin"]["real_time_factor"] == 0.0
    assert [node.name for node in plan.nodes if node.required] == ["replayer"]


def test_a_replay_leaves_no_settings_and_is_no_run(runs: str, run: Path) -> None:
    plan = start(REPLAY.plan({"runs": runs, "bag": str(run)}))

    assert (plan.run / "logs").is_dir()
    with pytest.raises(StackError, match="Valid: none"):
        EVALUATE.plan({"runs": runs, "name": "elsewhere"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give bag:="),
        ({"bag": "nowhere"}, "bag:=nowhere is no folder"),
        ({"bag": ".", "rate": "0"}, "at least 0.001"),
        ({"bag": ".", "execute": "yes"}, "Valid: true, false"),
        ({"bag": ".", "name": "a"}, "unknown argument 'name'"),
    ],
)
def test_an_impossible_replay_is_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=message):
        REPLAY.plan(given)


def test_a_bag_that_names_no_task_is_played_but_not_executed(runs: str, tmp_path: Path) -> None:
    given = {"runs": runs, "bag": str(tmp_path)}
    assert [node.name for node in REPLAY.plan(given).nodes] == ["player"]
    with pytest.raises(StackError, match="names a task"):
        REPLAY.plan({**given, "execute": "true"})


def test_broken_settings_are_a_clear_error(runs: str) -> None:
    start(TRAIN.plan({"runs": runs, "name": "a"}))
    (Path(runs) / "a/arguments.yaml").write_text("nonsense")

    with pytest.raises(StackError, match=r"cannot read .*arguments.yaml"):
        TRAIN.plan({"runs": runs, "name": "a"})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"demo": "1"}, r"unknown argument 'demo'. Did you mean 'demos'\? Valid: task, name"),
        ({"robot": "simm"}, r"robot:=simm is not valid. Did you mean 'sim'\? Valid: sim, fci"),
        ({"observation": "touch"}, "Valid: state, image"),
        ({"randomize": "True"}, "Valid: true, false"),
        ({"demos": "-1"}, "at least 0"),
        ({"steps": "many"}, "whole number"),
        ({"real_time_factor": "nan"}, "a number of at least 0"),
        ({"task": "vga"}, "family/variant"),
        ({"name": "../a"}, "no '/'"),
    ],
)
def test_a_bad_argument_is_refused_with_the_valid_ones(given: dict[str, str], message: str) -> None:
    with pytest.raises(StackError, match=message):
        TRAIN.plan(given)


def test_evaluation_needs_a_run() -> None:
    with pytest.raises(StackError, match="give name:="):
        EVALUATE.plan({})


def test_shown_arguments_have_descriptions_choices_and_defaults() -> None:
    shown = show(TRAIN.arguments)

    for argument in TRAIN.arguments:
        assert f"    '{argument.name}':\n        {argument.description}" in shown
    assert (
        "['scripted', 'spacemouse', 'keyboard', 'gamepad', 'none']\n        (default: 'scripted')"
        in shown
    )


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


def test_a_label_run_is_a_collection_of_a_person_who_says_when_it_is_done(runs: str) -> None:
    plan = STACKS["label"].plan({"runs": runs, "task": "connector/usb_a", "episodes": "6"})
    actor = parameters(plan)["actor"]
    expected = {"mode": "collect", "source": "demonstration", "reward": "person", "episodes": 6}
    assert expected.items() <= actor.items() and actor["operator"] == "scripted"
    with pytest.raises(StackError, match="Valid: scripted, spacemouse"):
        STACKS["label"].plan({"runs": runs, "operator": "none"})


def test_teleop_records_a_persons_episodes_on_request(runs: str) -> None:
    plan = STACKS["teleop"].plan({"runs": runs, "operator": "gamepad"}, NOON)
    found = parameters(plan)
    expected = {"mode": "collect", "source": "demonstration", "on_request": True, "episodes": 0}
    assert expected.items() <= found["actor"].items() and found["actor"]["lockstep"] is False
    assert found["twin"]["real_time_factor"] == 1.0
    assert {"gamepad", "viewer", "recorder"} <= set(found)
    assert plan.run.name == "teleop_connector_vga_20261121_153000"
    with pytest.raises(StackError, match="Valid: spacemouse, keyboard, gamepad"):
        STACKS["teleop"].plan({"runs": runs, "operator": "scripted"})


def test_a_reward_classifier_and_its_file_go_together(
    runs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.safetensors").touch()
    plan = TRAIN.plan({"runs": runs, "reward": "classifier", "classifier": "a.safetensors"})
    assert parameters(plan)["actor"]["classifier"] == str(Path("a.safetensors").absolute())
    for given in ({"reward": "classifier"}, {"classifier": "a.safetensors"}):
        with pytest.raises(StackError, match="go together"):
            TRAIN.plan({"runs": runs, **given})


def test_a_person_confirms_what_only_looks_done(runs: str) -> None:
    plan = TRAIN.plan({"runs": runs, "reward": "pose", "confirm": "true"})
    assert parameters(plan)["actor"]["confirm"] is True
    with pytest.raises(StackError, match="keyboard needs no confirmation"):
        TRAIN.plan({"runs": runs, "reward": "keyboard", "confirm": "true"})


def test_evaluations_and_collections_ask_as_well(runs: str, trained: str) -> None:
    for stack, named in (("evaluate", {"name": trained}), ("collect", {"policy": trained})):
        given = {"runs": runs, **named, "reward": "keyboard"}
        assert parameters(STACKS[stack].plan(given))["actor"]["reward"] == "keyboard"
        with pytest.raises(StackError, match="needs one at the SpaceMouse"):
            STACKS[stack].plan({**given, "reward": "person"})
    with pytest.raises(StackError, match="knows the twin alone"):
        EVALUATE.plan({"runs": runs, "name": trained, "reward": "pose", "transport": "direct"})


@pytest.mark.parametrize(
    ("viewer", "package"), [("rviz", "rviz2"), ("foxglove", "foxglove_bridge")]
)
def test_rviz_and_foxglove_are_shown_the_arm(runs: str, viewer: str, package: str) -> None:
    plan = TRAIN.plan({"runs": runs, "viewer": viewer})
    nodes = {node.name: node for node in plan.nodes}
    assert "viewer" not in nodes and {"markers", "robot_state"} <= set(nodes)
    assert "fr3_joint7" in str(nodes["robot_state"].parameters["robot_description"])
    assert [node.package for node in plan.nodes][-1] == package
    assert parameters(plan)["monitor"]["viewer"] is False
    with pytest.raises(StackError, match=f"sudo apt install ros-jazzy-{package.replace('_', '-')}"):
        find_executable(plan.nodes[-1])


def test_an_image_encoder_is_named_or_a_file(runs: str, tmp_path: Path) -> None:
    (tmp_path / "resnet").mkdir()
    sees = {"runs": runs, "observation": "image"}
    for given in (str(tmp_path / "resnet"), f"timm:resnet18:{tmp_path / 'resnet'}"):
        found = parameters(TRAIN.plan({**sees, "encoder": given}))
        assert found["learner"]["encoder"] == found["actor"]["encoder"] == given
    assert parameters(TRAIN.plan({**sees, "encoder": "scratch"}))["learner"]["encoder"] == "scratch"
    with pytest.raises(StackError, match=r"encoder:=resnet looks at images: give observation:=im"):
        TRAIN.plan({"runs": runs, "encoder": "resnet"})
    with pytest.raises(
        StackError, match=r"there is no /.*/demo. It takes demos, scratch, a folder"
    ):
        TRAIN.plan({**sees, "encoder": "demo"})
    kept = {**sees, "encoder": "scratch", "buffer": "disk"}
    assert parameters(TRAIN.plan(kept))["learner"]["buffer"] == "disk"
    with pytest.raises(StackError, match="buffer:=disk is for encoder:=scratch"):
        TRAIN.plan({**sees, "buffer": "disk"})


def test_a_training_may_begin_with_another_runs_specialist(runs: str) -> None:
    file = Path(runs, "old", "checkpoints", "learner.safetensors")
    with pytest.raises(StackError, match="there is no run 'old'"):
        TRAIN.plan({"runs": runs, "init": "old"})
    file.parent.mkdir(parents=True)
    with pytest.raises(StackError, match="has nothing to begin with"):
        TRAIN.plan({"runs": runs, "init": "old"})
    file.touch()
    assert parameters(TRAIN.plan({"runs": runs, "init": "old"}))["learner"]["init"] == str(file)
    assert "init" not in parameters(TRAIN.plan({"runs": runs}))["learner"]


def test_a_student_may_demonstrate(runs: str) -> None:
    student = Path(runs, "pupil", "checkpoints", "student")
    student.mkdir(parents=True)
    found = parameters(TRAIN.plan({"runs": runs, "init": "pupil"}))
    assert found["actor"]["policy"] == str(student) and found["learner"]["demos_first"] is True
    assert "init" not in found["learner"]
    assert "policy" not in parameters(TRAIN.plan({"runs": runs}))["actor"]


def test_the_guide_says_what_a_resumed_run_keeps() -> None:
    """The table of docs/how-to/train.md, against the arguments themselves."""
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "train.md").read_text()
    expected = {
        kind: set(re.findall(r"`(\w+)`", line.split("|")[1]))
        for line in guide.partition("## Stop and resume")[2].splitlines()
        for kind in Resume
        if re.match(rf"\|.*\| {'hold for one start' if kind is Resume.NEW else kind.value}", line)
    }
    actual = {kind: {a.name for a in TRAIN.arguments if a.resume is kind} for kind in Resume}
    actual[Resume.NEW] -= {"name"}
    assert expected == actual


@pytest.mark.parametrize("kind", ["specialist", "student"])
def test_a_run_that_has_learned_goes_on_without_what_it_began_with(runs: str, kind: str) -> None:
    Path(runs, "old", "checkpoints", kind).mkdir(parents=True)
    Path(runs, "old", "checkpoints", "learner.safetensors").touch()
    words = {"runs": runs, "name": "a", "init": "old"}
    begun = TRAIN.plan(words)
    start(begun)
    assert {"init", "demos_first"} & parameters(begun)["learner"].keys()
    shutil.rmtree(Path(runs, "old"))
    with pytest.raises(StackError, match="there is no run 'old'"):
        TRAIN.plan(words)
    (begun.run / "checkpoints").mkdir()
    (begun.run / "checkpoints" / "learner.safetensors").touch()
    found = parameters(TRAIN.plan({"runs": runs, "name": "a"}))
    assert not {"init", "demos_first"} & found["learner"].keys()
    assert "policy" not in found["actor"]


def test_a_training_may_learn_from_other_runs_first(runs: str) -> None:
    given = {"runs": runs, "prior": "first,second"}
    for name in ("first", "second"):
        with pytest.raises(StackError, match=f"there is no run '{name}'"):
            TRAIN.plan(given)
        Path(runs, name).mkdir(parents=True)
        with pytest.raises(StackError, match="has no episodes to learn from"):
            TRAIN.plan({**given, "prior": name})
        Path(runs, name, "bags").mkdir()
    wanted = f"{runs}/first,{runs}/second"
    assert parameters(TRAIN.plan(given))["learner"]["prior"] == wanted
    assert "prior" not in parameters(TRAIN.plan({"runs": runs}))["learner"]


def test_two_machines_share_the_nodes_of_a_training(runs: str) -> None:
    given = {"runs": runs, "name": "a", "viewer": "true"}
    both, robot, gpu = (
        {node.name: node for node in TRAIN.plan({**given, "machine": machine}).nodes}
        for machine in ("both", "robot", "gpu")
    )

    assert set(gpu) == {"learner", "monitor_gpu"}
    assert set(robot) == set(both) - {"learner"}
    assert robot["actor"].parameters == {**both["actor"].parameters, "apart": True}
    assert gpu["learner"].parameters == {**both["learner"].parameters, "apart": True}
    assert gpu["learner"].required
    assert not both["learner"].required


def test_two_machines_share_the_nodes_of_a_student(runs: str) -> None:
    Path(runs, "pupil", "checkpoints", "student").mkdir(parents=True)
    given = {"runs": runs, "policy": "pupil", "task": "connector/vga"}
    both, robot, gpu = (
        {node.name: node for node in STACKS["policy"].plan({**given, "machine": machine}).nodes}
        for machine in ("both", "robot", "gpu")
    )

    assert set(gpu) == {"student"}
    assert set(robot) == set(both)
    assert robot["actor"].parameters["apart"] and "apart" not in both["actor"].parameters
    assert gpu["student"].parameters["policy"] == robot["actor"].parameters["policy"]


def test_only_a_student_in_real_time_acts_from_another_machine(runs: str) -> None:
    Path(runs, "pupil", "checkpoints", "student").mkdir(parents=True)
    given = {"runs": runs, "name": "pupil", "task": "connector/vga", "machine": "robot"}
    evaluate = STACKS["evaluate"]
    with pytest.raises(StackError, match="real_time_factor:=1"):
        evaluate.plan(given)
    assert evaluate.plan({**given, "real_time_factor": "1"}).nodes
    with pytest.raises(StackError, match="machine:= is for transport:=ros"):
        evaluate.plan({**given, "transport": "direct"})
    weights = Path(runs, "narrow", "checkpoints", "policy.safetensors")
    weights.parent.mkdir(parents=True)
    weights.touch()
    with pytest.raises(StackError, match="is for students"):
        evaluate.plan({**given, "name": "narrow", "real_time_factor": "1"})


ALL_NODES = [
    *({"stack": "train_rl", "viewer": viewer} for viewer in ("rviz", "foxglove", "true")),
    *({"stack": "train_rl", "robot": robot} for robot in ("fci", "franka_ros2")),
    *({"stack": "teleop", "operator": hand} for hand in ("spacemouse", "gamepad", "keyboard")),
    {"stack": "train_rl", "name": "shared", "machine": "gpu"},
    {
        "stack": "train_rl",
        "robot": "fci",
        "robot_ip": "172.16.0.2",
        "operator": "none",
        "camera": "realsense",
    },
    {"stack": "policy", "policy": "pupil", "task": "connector/vga", "machine": "gpu"},
    {"stack": "replay", "bag": "run", "execute": "true"},
    {"stack": "doctor"},
]


@pytest.mark.parametrize("given", ALL_NODES, ids=str)
def test_every_node_has_a_key(given: dict[str, str], runs: str, run: Path) -> None:
    Path(runs, "pupil", "checkpoints", "student").mkdir(parents=True)
    words = {**given, "runs": runs}
    if "bag" in words:
        words["bag"] = str(run)
    plan = STACKS[words.pop("stack")].plan(words)
    assert {node.name for node in plan.nodes} <= set(ENCLAVES)


def test_a_bag_is_not_played_where_keys_are_asked_for(
    runs: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_SECURITY_ENABLE", "true")
    with pytest.raises(StackError, match="no key allows publishing all that is in a bag"):
        REPLAY.plan({"runs": runs, "bag": str(run)})


def test_what_only_the_learner_needs_may_lie_on_its_machine_alone(runs: str) -> None:
    given = {"runs": runs, "name": "a", "prior": "elsewhere"}

    assert "prior" not in parameters(TRAIN.plan({**given, "machine": "robot"}))["actor"]
    with pytest.raises(StackError, match="no run 'elsewhere'"):
        TRAIN.plan({**given, "machine": "gpu"})


@pytest.mark.parametrize("machine", ["robot", "gpu"])
def test_a_shared_run_needs_a_name(runs: str, machine: str) -> None:
    with pytest.raises(StackError, match=f"machine:={machine} needs name:=, the same on both"):
        TRAIN.plan({"runs": runs, "machine": machine})


def test_a_view_is_redrawn_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = {n.name: n for n in TRAIN.plan({}).nodes}
    assert not any(node.on_terminal for node in nodes.values())  # here it is a file or a pipe

    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert nodes["monitor"].on_terminal and not nodes["twin"].on_terminal


@pytest.mark.parametrize(
    ("stack", "given"),
    [
        ("train_rl", {"runs": "~nobody_at_all/x"}),
        ("train_rl", {"init": "~nobody_at_all/x"}),
        ("train_rl", {"prior": "~nobody_at_all/x"}),
        ("train_rl", {"robot": "fci", "site": "~nobody_at_all/x.yaml"}),
        ("train_rl", {"reward": "classifier", "classifier": "~nobody_at_all/x"}),
        ("train_rl", {"observation": "image", "encoder": "~nobody_at_all/x"}),
        ("policy", {"policy": "~nobody_at_all/x"}),
        ("replay", {"bag": "~nobody_at_all/x"}),
    ],
)
def test_the_home_of_an_unknown_user_is_refused(
    tmp_path: Path, stack: str, given: dict[str, str]
) -> None:
    with pytest.raises(StackError, match="no user of that name has a home folder"):
        STACKS[stack].plan({"runs": str(tmp_path)} | given)
