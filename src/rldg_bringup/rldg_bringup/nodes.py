# SPDX-License-Identifier: Apache-2.0
"""The nodes of every stack, made of the values of its arguments. Nothing of ROS is imported here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rldg_bringup.arguments import (
    StackError,
    Value,
    Values,
    place,
)
from rldg_bringup.bodies import is_arm, simulated
from rldg_bringup.cameras import camera_nodes, is_real, large_pictures
from rldg_bringup.common_arguments import (
    ACTING,
    BROWSER,
    BUFFER,
    CONFIRMED,
    DOCTORS_PACE,
    ENCODER,
    TASK,
    VIEWER,
)
from rldg_bringup.executables import output_of
from rldg_bringup.leaders import run_folder
from rldg_bringup.machines import Machine, apart, asked_for_keys, parts
from rldg_bringup.operators import HANDS, hand_driver
from rldg_bringup.pictures import compare_pictures
from rldg_bringup.robot_stop import is_real_arm, stop_file
from rldg_bringup.stack import NodeSpec
from rldg_core.run_paths import RunPaths
from rldg_core.vocabulary import Source

ONE_PROGRAM = "transport:=direct is one program: machine:= is for transport:=ros"


def _clocked(values: Values) -> dict[str, Value]:
    """`use_sim_time` of every node but the twin, which is the clock."""
    return {"use_sim_time": values["robot"] == "sim"}


def _body(values: Values, tasks: Value | None = None) -> list[NodeSpec]:
    """The robot and its gate, which knows the limits of all `tasks`, a comma between them; by default of the one."""
    gate = {"task": tasks or values["task"], **_clocked(values)}
    # One file for all starts: a stop is of the robot.
    gate |= {
        "memory": str(stop_file(values)),
        "start": values["started"],
        "real": is_real_arm(values),
    }
    body = _arm(values) if is_arm(values) else [_twin(values)]
    return [
        *body,
        NodeSpec("rldg_robot", "safety_gate", "safety_gate", gate),
        *_camera(values),
    ]


def _twin(values: Values) -> NodeSpec:
    twin = {name: values[name] for name in ("task", "randomize", "perturb") if name in values}
    twin |= {"real_time_factor": _factor(values), "use_sim_time": False}
    return NodeSpec("rldg_robot", "twin", "twin", twin)


def _arm(values: Values) -> list[NodeSpec]:
    """The driver of an arm, after the arm itself where that is simulated."""
    of = {"task": values["task"], "use_sim_time": False}
    name, address = str(values["robot"]), values["robot_ip"]
    driver = NodeSpec("rldg_robot", name, name, {**of, "robot_ip": address})
    if name == "fci":
        of["address"] = address
    simulator = NodeSpec("rldg_robot", f"{name}_simulator", f"{name}_simulator", of)
    return [simulator, driver] if simulated(values) else [driver]


def camera(values: Values) -> list[NodeSpec]:
    """Nodes that bring a real camera's pictures, and nothing that moves."""
    return _camera(values)


def _camera(values: Values) -> list[NodeSpec]:
    """What brings the pictures where the robot does not."""
    if not is_real(values):
        return []
    if values.get("robot") == "sim":
        raise StackError("the twin has its own images: leave camera:= out with robot:=sim")
    if is_arm(values) and simulated(values):
        raise StackError("a simulated arm has its own images: leave camera:= out")
    return [
        NodeSpec(
            node.package, node.executable, node.name, node.parameters, variables=large_pictures()
        )
        for node in camera_nodes(values)
    ]


def _factor(values: Values) -> Value:
    """Speed of the twin; a person's hand needs a clock that runs."""
    by_hand = values.get("operator") in HANDS
    return values["real_time_factor"] or (1.0 if by_hand else 0.0)


def _operator(values: Values) -> list[NodeSpec]:
    if values["operator"] == "scripted":
        if is_arm(values) and not simulated(values):
            raise StackError(
                "operator:=scripted plays a person, which is not allowed at a real arm: give operator:=spacemouse, "
                "gamepad or keyboard, or none"
            )
        parameters = {"task": values["task"], "seed": values["seed"], **_clocked(values)}
        return [NodeSpec("rldg_robot", "operator", "operator", parameters)]
    if driver := hand_driver(values):
        name, parameters = driver
        parameters |= {"task": values["task"], **_clocked(values)}
        return [NodeSpec("rldg_robot", name, name, parameters)]
    return []


def _pace(values: Values) -> dict[str, Value]:
    """Whether the actor may keep the world waiting."""
    return {"lockstep": values["robot"] == "sim" and _factor(values) == 0}


def _recorder(values: Values, folder: Value) -> list[NodeSpec]:
    parameters = {"run": folder, **_clocked(values)}
    if is_real(values):
        parameters["crop"] = values["crop"]
    return [NodeSpec("rldg_rl", "recorder", "recorder", parameters)]


def _eyes(values: Values, folder: Value) -> list[NodeSpec]:
    """What a person watches."""
    return [_monitor(values, folder), *_viewer(values, _clocked(values))]


def _monitor(values: Values, folder: Value) -> NodeSpec:
    monitor = {
        "run": folder,
        "viewer": values["viewer"] == BROWSER,
        **_clocked(values),
    }
    return NodeSpec("rldg_rl", "monitor", "monitor", monitor, output="screen")


def _viewer(values: Values, clock: Values) -> list[NodeSpec]:
    if values["viewer"] == VIEWER.default:
        return []
    task = {"task": values["task"], **clock}
    if values["viewer"] == BROWSER:
        return [NodeSpec("rldg_robot", "viewer", "viewer", task)]
    # Only where they are asked for: the one looks at the arm's model, the other needs an installation.
    urdf = output_of(NodeSpec("rldg_robot", "robot_description", "robot_description"))
    share = import_module("ament_index_python").get_package_share_directory("rldg_bringup")
    layout = ("-d", f"{share}/rviz/rldg.rviz")
    shown = {
        "rviz": NodeSpec("rviz2", "rviz2", "rviz", clock, flags=layout),
        "foxglove": NodeSpec("foxglove_bridge", "foxglove_bridge", "foxglove_bridge", clock),
    }
    described = {"robot_description": urdf, **clock}
    return [
        NodeSpec("robot_state_publisher", "robot_state_publisher", "robot_state", described),
        NodeSpec("rldg_robot", "markers", "markers", task),
        shown[str(values["viewer"])],
    ]


def train_rl(values: Values) -> list[NodeSpec]:
    """Demonstrations, training and evaluation: nodes, or one program."""
    values = {**values, "encoder": _encoder(values)}
    if values["transport"] == "direct":
        return [_trainer(values)]
    learner = {name: values[name] for name in ("run", "task", "seed", "observation", "encoder")}
    known, demonstrated = _beginning(values)
    learner |= {**known, **_prior(values), **_buffer(values), **apart(values), **_clocked(values)}
    actor = {
        name: values[name]
        for name in (
            *("run", "task", "seed", "demos", "steps"),
            *("episodes", "operator", "observation", "encoder", "resets", "randomize", "video"),
        )
    }
    actor |= {"mode": "train", "real": is_real_arm(values), **demonstrated, **_reward(values)}
    actor |= {**_pace(values), **apart(values), **_clocked(values)}
    return [
        *_body(values),
        *_operator(values),
        *_recorder(values, values["run"]),
        *_learner(values, learner),
        NodeSpec("rldg_rl", "actor", "actor", actor, required=True),
        *_eyes(values, values["run"]),
    ]


def _trainer(values: Values) -> NodeSpec:
    """The program that is all of them; it knows the twin alone."""
    _check_direct(values)
    begins, demonstrated = _beginning(values)
    options = {name: values[name] for name in ("task", "seed", "demos", "steps", "episodes")}
    options |= {name: values[name] for name in ("operator", "observation", "encoder")}
    options |= {**begins, **demonstrated, **_prior(values), **_buffer(values)}
    options |= {"randomize": values["randomize"], "no_video": not values["video"]}
    words = (str(values["run"]), *_options(options))
    return replace(_leader("rldg_rl", "trainer", {}), arguments=words)


def _check_direct(values: Values) -> None:
    """Check that nothing of a run needs what only nodes can do.

    Raises:
        StackError: something does.
    """
    if values["operator"] in HANDS:
        raise StackError(
            f"transport:=direct runs faster than a person can push: leave it out with operator:={values['operator']}"
        )
    for name, known in (("reward", "twin"), ("resets", "instant")):
        if values[name] != known:
            raise StackError(
                f"transport:=direct knows {name}:={known} alone: leave it out with {name}:={values[name]}"
            )
    if apart(values):
        raise StackError(ONE_PROGRAM)


def _options(values: Values) -> Iterator[str]:
    """A plain program's options; those that are False are left out, those that are True are switches."""
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            yield option
        elif value is not False:
            yield from (option, str(value))


def _learner(values: Values, parameters: Values) -> list[NodeSpec]:
    """The learner; where it is alone its end is the stack's, and a person there sees how the run fares, too."""
    alone = parts(values) == (Machine.GPU,)
    nodes = [NodeSpec("rldg_rl", "learner", "learner", parameters, required=alone)]
    if alone:
        monitor = _monitor({**values, "viewer": "false"}, values["run"])
        nodes.append(replace(monitor, name="monitor_gpu"))
    return [replace(node, machine=Machine.GPU) for node in nodes]


def _encoder(values: Values) -> str:
    """Name of the image encoder, its file or folder absolute."""
    name = str(values["encoder"])
    if name != ENCODER.default and values["observation"] != "image":
        raise StackError(f"encoder:={name} looks at images: give observation:=image, too")
    if name in ("demos", "scratch"):
        return name
    *kind, where = name.rsplit(":", 1)
    path = place(where)
    if not path.exists():
        raise StackError(
            f"encoder:={name} is not valid: there is no {path}. It takes demos, scratch, a folder, or "
            "timm:<name>:<file.safetensors>"
        )
    return ":".join((*kind, str(path)))


def _buffer(values: Values) -> dict[str, Value]:
    """Where images are kept, if not in memory."""
    if values["buffer"] == BUFFER.default:
        return {}
    if values["encoder"] != "scratch":
        raise StackError("buffer:=disk is for encoder:=scratch: no other keeps images")
    return {"buffer": values["buffer"]}


def _beginning(values: Values) -> tuple[Values, Values]:
    """Parameters of learner and actor that say what to begin with; a run that has learned goes on with its own."""
    if not values["init"] or RunPaths(Path(str(values["run"]))).learner_checkpoint.is_file():
        return {}, {}
    runs = place(values["runs"])
    run = RunPaths(run_folder(str(values["init"]), runs))
    specialist, student = run.learner_checkpoint, run.student
    if student.is_dir():
        return {"demos_first": True}, {"policy": str(student)}
    if not specialist.is_file():
        raise StackError(f"{run.path} has nothing to begin with: no {specialist}, no {student}")
    return {"init": str(specialist)}, {}


def _prior(values: Values) -> dict[str, Value]:
    """The runs to learn from; they lie where the learner is."""
    if Machine.GPU not in parts(values):
        return {}
    runs = place(values["runs"])
    folders = [run_folder(name, runs) for name in str(values["prior"]).split(",") if name]
    for folder in folders:
        if not RunPaths(folder).bags.is_dir():
            raise StackError(
                f"{folder} has no episodes to learn from: prior:= takes runs with bags"
            )
    return {"prior": ",".join(map(str, folders))} if folders else {}


def _reward(values: Values) -> dict[str, Value]:
    """Who says that it is done, and where the classifier is, where one is asked."""
    reward, file = str(values["reward"]), str(values["classifier"])
    if (reward == "classifier") != bool(file):
        raise StackError(
            "reward:=classifier and classifier:=<file> go together; ./rldg classifier train makes the file"
        )
    if reward == "person" and values["operator"] == "none":
        raise StackError(
            "reward:=person needs one at the SpaceMouse or another device; reward:=keyboard does not"
        )
    if values["confirm"] and reward not in CONFIRMED:
        raise StackError(
            f"confirm:=true is for reward:={' and '.join(CONFIRMED)}: {reward} needs no confirmation"
        )
    judge: dict[str, Value] = {"reward": reward, "confirm": values["confirm"]}
    return judge | ({"classifier": str(place(file))} if file else {})


def evaluate(values: Values) -> list[NodeSpec]:
    """What judges a trained policy: nodes, or one program. What it leaves lies beside the run's own bags."""
    judge = _reward({**values, "operator": "none"})
    if values["transport"] == "direct":
        return [_evaluator(values)]
    student = Path(str(values["checkpoint"])).is_dir()
    student_run = values["run"] if student else ""
    return _with_policy(
        values, values["evaluation"], student_run=student_run, perturb=values["perturb"], **judge
    )


def _evaluator(values: Values) -> NodeSpec:
    if apart(values):
        raise StackError(f"{ONE_PROGRAM}, for more machines there is ray:=")
    words = [str(values["run"]), "--name", Path(str(values["evaluation"])).name]
    for name in ("task", "episodes", "seed", "replan"):
        words += [f"--{name}", str(values[name])]
    words += (
        ["--ray", str(values["ray"])] if values["ray"] else ["--workers", str(values["workers"])]
    )
    words += [f"--{name}" for name in ("deterministic", "randomize") if values[name]]
    words += ["--perturb", str(values["perturb"])] if values["perturb"] else []
    words += [] if values["video"] else ["--no-video"]
    words += ["--ensemble", str(values["ensemble"])] if float(values["ensemble"]) >= 0 else []
    return replace(_leader("rldg_rl", "evaluator", {}), arguments=tuple(words))


def policy(values: Values) -> list[NodeSpec]:
    """Nodes that let a trained policy act until somebody stops it."""
    return _with_policy(values, values["run"], instruction=values["instruction"])


def _with_policy(values: Values, folder: Value, **more: Value) -> list[NodeSpec]:
    """Nodes that run a trained policy: no operator and no learner."""
    compare_pictures(values, values["checkpoint"])
    _check_apart(values)
    given = ("task", "seed", "episodes", "resets", "randomize", "video", *ACTING)
    actor = {name: values[name] for name in given}
    actor |= {
        "run": folder,
        "policy": values["checkpoint"],
        "operator": "none",
        "mode": "evaluate",
        "real": is_real_arm(values),
        **more,
        **apart(values),
        **_pace(values),
        **_clocked(values),
    }
    return [
        *_body(values),
        *_recorder(values, folder),
        *_student(values),
        NodeSpec("rldg_rl", "actor", "actor", actor, required=True),
        *_eyes(values, folder),
    ]


def _check_apart(values: Values) -> None:
    """Check that a policy can act from another machine."""
    if not apart(values):
        return
    if not Path(str(values["checkpoint"])).is_dir():
        raise StackError(
            f"machine:={values['machine']} is for students: a specialist is small and acts beside the robot"
        )
    if _pace(values)["lockstep"]:
        raise StackError(f"machine:={values['machine']} is for real time: give real_time_factor:=1")


def _student(values: Values) -> list[NodeSpec]:
    """A student that does not act within the actor's process."""
    if not apart(values):
        return []
    return [
        NodeSpec(
            *("rldg_rl", "student", "student", {"policy": values["checkpoint"]}),
            output="screen",
            required=True,
            machine=Machine.GPU,
        )
    ]


def collect(values: Values) -> list[NodeSpec]:
    """What gathers episodes of one task, or of an even mix of several: nodes, or one program."""
    tasks = values["tasks"]
    if values.get("transport") == "direct":
        return [_collector(values)]
    first = {**values, "task": str(tasks).split(",")[0]}
    compare_pictures(values, values["checkpoints"])
    given = ("run", "seed", "episodes", "status", "operator", "resets", "randomize", "video")
    actor = {name: values[name] for name in (*given, *ACTING)}
    if values.get("on_request"):
        actor["on_request"] = True
    actor |= {
        "task": tasks,
        "policy": values["checkpoints"],
        "source": str(Source.POLICY if values["source"] == "policy" else Source.DEMONSTRATION),
        "mode": "collect",
        "real": is_real_arm(values),
        **_reward(values),
        **_pace(values),
        **_clocked(values),
    }
    return [
        *_body(first, tasks),
        *_operator(first),
        *_recorder(values, values["run"]),
        NodeSpec("rldg_rl", "actor", "actor", actor, required=True),
        *_eyes(first, values["run"]),
    ]


def _collector(values: Values) -> NodeSpec:
    """The program that is all of them, in as many processes as are wanted."""
    _check_direct(values)
    options: dict[str, Value] = {"task": values["tasks"], "policy": values["checkpoints"] or False}
    options |= {name: values[name] for name in ("operator", "episodes", "status", "seed")}
    options |= {name: values[name] for name in ("deterministic", "replan", "randomize", "workers")}
    options["ensemble"] = values["ensemble"] if float(values["ensemble"]) >= 0 else False
    options["no_video"] = not values["video"]
    words = (str(values["run"]), *_options(options))
    return replace(_leader("rldg_rl", "collector", {}), arguments=words)


def label(values: Values) -> list[NodeSpec]:
    """Nodes of episodes in which a person does the task and says when it is done."""
    led: Values = {
        "tasks": values["task"],
        "checkpoints": "",
        "source": "operator",
        "status": "success",
    }
    said: Values = {"reward": "person", "classifier": "", "confirm": False}
    acting: Values = {"deterministic": False, "replan": 1, "ensemble": -1.0}
    return collect({**values, **led, **said, **acting})


def teleop(values: Values) -> list[NodeSpec]:
    """Nodes that a person drives the robot with, and records episodes when they want to."""
    led: Values = {
        "tasks": values["task"],
        "checkpoints": "",
        "source": "operator",
        "status": "success",
    }
    acting: Values = {"deterministic": False, "replan": 1, "ensemble": -1.0}
    return collect({**values, **led, **acting, "confirm": False, "on_request": True})


def replay(values: Values) -> list[NodeSpec]:
    """Nodes that play a bag; or a robot that does again what it did then, recorded like any other episode.

    Raises:
        StackError: the network asks for keys, and no key may say all that is in a bag.
    """
    tasks = values["tasks"]
    first = {**values, "task": str(tasks).split(",")[0] or str(TASK.default)}
    if not values["execute"]:
        if asked_for_keys():
            raise StackError(
                "no key allows publishing all that is in a bag: play it with ROS_SECURITY_ENABLE unset, in a "
                "ROS_DOMAIN_ID without a robot"
            )
        parameters = {name: values[name] for name in ("bag", "rate", "loop")}
        return [
            *_viewer(first, {"use_sim_time": True}),
            _leader("rldg_robot", "player", {**parameters, "use_sim_time": False}),
        ]
    parameters = {
        **{name: values[name] for name in ("bag", "run", "randomize")},
        "task": tasks,
        **_clocked(values),
    }
    return [
        *_body(first, tasks),
        *_recorder(values, values["run"]),
        _leader("rldg_rl", "replayer", parameters),
        *_viewer(first, _clocked(values)),
    ]


def doctor(values: Values) -> list[NodeSpec]:
    """The robot, its gate, and who examines them before anything moves."""
    values = {**values, "real_time_factor": DOCTORS_PACE}
    parameters = {"task": values["task"], "runs": values["runs"], **_clocked(values)}
    if is_arm(values) and not simulated(values):
        parameters["arm"] = values["robot_ip"]
    return [*_body(values), _leader("rldg_robot", "doctor", parameters)]


def _leader(package: str, name: str, parameters: Values) -> NodeSpec:
    """A node that the whole stack is there for: it talks to the person, and its end is the stack's."""
    return NodeSpec(package, name, name, parameters, output="screen", respawn=False, required=True)
