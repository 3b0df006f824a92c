# SPDX-License-Identifier: Apache-2.0
"""Arguments that stacks take, each described once."""

from __future__ import annotations

from dataclasses import replace

from rldg_bringup.arguments import (
    Argument,
    Resume,
    flag,
    matching,
    only_with,
    rate_or_off,
    real,
    several,
    something,
    whole,
)

THROUGH_ROS = only_with("transport", "ros", says="needs ROS")
DIRECTLY = only_with("transport", "direct")
ON_TWIN = only_with("robot", "sim", says="is for the twin")
SPECIALIST, STUDENT, PERSON = "a specialist", "a student", "a person"
MIX = f"{SPECIALIST} and {STUDENT}"
BY_SPECIALIST = only_with("leader", SPECIALIST, MIX, says="is for specialists")
BY_STUDENT = only_with("leader", STUDENT, MIX, says="is for students")
POLICY = Argument(
    "policy",
    "",
    "Run whose policy acts, a specialist or a student: its name, or its folder.",
)
NAMED = matching(
    r"|[A-Za-z0-9_][A-Za-z0-9_.+=-]{0,149}",
    "letters, digits, '_', '-', '.', '+' and '=', with no '/', at most 150, a letter or digit first",
)

TASK = Argument(
    "task",
    "connector/vga",
    "Task to learn, family/variant.",
    parse=matching(r"\w+/\w+", "family/variant, such as connector/vga"),
    resume=Resume.FIXED,
)
NAME = Argument(
    "name",
    "",
    "Name of the run. Empty: made from task and time. The name of an earlier run resumes it.",
    parse=NAMED,
)
SEED = Argument(
    "seed", "0", "Seed of all randomness.", parse=whole(0, 2**63 - 1), resume=Resume.FIXED
)
DEMOS = Argument(
    "demos", "20", "Successful demonstrations to begin with.", parse=whole(0), resume=Resume.KEPT
)
STEPS = Argument(
    "steps",
    "0",
    "Most environment steps of training; it stops earlier once the task is learned. 0: as the task's YAML says.",
    parse=whole(0),
    resume=Resume.KEPT,
)
OBSERVATION = Argument(
    "observation",
    "state",
    "What the specialist sees beside its own body; state: the true goal position, from the twin; image: the "
    "wrist camera.",
    choices=("state", "image"),
    resume=Resume.FIXED,
)
ENCODER = Argument(
    "encoder",
    "demos",
    "observation:=image: what looks at it; demos: a small network, learned from the run's demonstrations; scratch: one "
    "learned with the critics, slowly; a folder with a ResNet's config.json and model.safetensors, or "
    "timm:<name>:<file.safetensors>: a network trained elsewhere.",
    parse=something,
    resume=Resume.FIXED,
)
BUFFER = Argument(
    "buffer",
    "memory",
    "encoder:=scratch: where the learner keeps images, 10 GB at most; disk: in the run's folder, until it ends.",
    choices=("memory", "disk"),
    resume=Resume.KEPT,
)
INIT = Argument(
    "init",
    "",
    "Run to begin with: its folder, or its name. A specialist, of this task or another: with its networks. A student: "
    "it demonstrates in the person's place. Empty: with nothing.",
    resume=Resume.FIXED,
)
PRIOR = Argument(
    "prior",
    "",
    "Runs of the same family, separated by commas, from whose episodes to learn before the first training step and on: "
    "folders, or names. Empty: none.",
    parse=several,
    resume=Resume.FIXED,
)
REWARD = Argument(
    "reward",
    "twin",
    "Who says that the task is done; twin: it knows; pose: the TCP is at the goal; person: both buttons of the "
    "SpaceMouse, held for a second; keyboard: a person at ./rldg run rldg_rl keyboard; classifier: a network that "
    "knows what done looks like.",
    choices=("twin", "pose", "person", "keyboard", "classifier"),
    resume=Resume.FIXED,
    needs=(
        only_with("transport", "ros", says="is for transport:=ros: direct knows the twin alone"),
    ),
)
CLASSIFIER = Argument(
    "classifier",
    "",
    "reward:=classifier: its file, which ./rldg classifier train made.",
    resume=Resume.KEPT,
)
CONFIRM = Argument(
    "confirm",
    "false",
    "reward:=classifier or pose only suggests that it is done: the robot stops, and a person at ./rldg run rldg_rl "
    "keyboard says yes or no.",
    choices=("true", "false"),
    parse=flag,
    resume=Resume.FIXED,
)
REWARDING = (REWARD, CLASSIFIER, CONFIRM)
RESETS = Argument(
    "resets",
    "instant",
    "How the arm gets to the next start; instant: the twin puts it there; motion: it goes there through the gate, as a "
    "real arm has to, and asks for a person where it does not arrive.",
    choices=("instant", "motion"),
    resume=Resume.KEPT,
    needs=(only_with("transport", "ros", says="goes through ROS"),),
)
EPISODES = Argument("episodes", "20", "Evaluation episodes.", parse=whole(1), resume=Resume.KEPT)
RANDOMIZE = Argument(
    "randomize",
    "false",
    "Vary light, colours, textures and camera pose of the twin, episode by episode.",
    choices=("true", "false"),
    parse=flag,
    resume=Resume.KEPT,
    needs=(ON_TWIN,),
)
PERTURB = Argument(
    "perturb",
    "",
    "Robustness: how far the twin's world is off, axis:value,… such as light:0.5,camera:5mm; docs/how-to/robustness.md "
    "has the axes. Empty: not at all.",
    parse=matching(
        r"|\w+:[^\s:,]+(,\w+:[^\s:,]+)*",
        "axis:value, with commas between several, such as light:0.5,camera:5mm",
    ),
    needs=(ON_TWIN,),
)
VIEWER = Argument(
    "viewer",
    "false",
    "Show the scene live; true: in a browser; rviz, foxglove: there, with arm, workspace, target and force; both come "
    "with a ROS installation.",
    choices=("false", "true", "rviz", "foxglove"),
    needs=(THROUGH_ROS,),
)
REAL_TIME_FACTOR = Argument(
    "real_time_factor",
    "0",
    "Speed of the twin in multiples of real time; 0: as fast as the machine can, or 1 where a person drives.",
    parse=real(0.0, 1000.0),
    needs=(THROUGH_ROS,),
)
RUNS = Argument("runs", "runs", "Folder of all runs.", parse=something)
BAG = Argument(
    "bag",
    None,
    "Folder of a bag, or of a run or of bags: then all of them, one after another.",
    parse=something,
)
PLAYED = only_with("execute", "false", says="is for bags that are played")
EXECUTED = only_with("execute", "true")
RATE = Argument(
    "rate",
    "1.0",
    "Speed of a playback in multiples of real time.",
    parse=real(0.001, 1000.0),
    needs=(PLAYED,),
)
LOOP = Argument(
    "loop",
    "false",
    "Play again and again.",
    choices=("true", "false"),
    parse=flag,
    needs=(PLAYED,),
)
EXECUTE = Argument(
    "execute",
    "false",
    "Do not play messages: send the recorded actions to the robot again, through the gate.",
    choices=("true", "false"),
    parse=flag,
)
VIDEO = Argument(
    "video",
    "true",
    "Film some of the episodes at the end; without a graphics card a frame takes some 20 ms of a core.",
    choices=("true", "false"),
    parse=flag,
    resume=Resume.KEPT,
)
DETERMINISTIC = Argument(
    "deterministic",
    "false",
    "Specialists: act on the policy's mean; false: draw from its distribution, as in training and in HIL-SERL.",
    choices=("true", "false"),
    parse=flag,
    needs=(BY_SPECIALIST,),
)


REPLAN = Argument(
    "replan",
    "1",
    "Students: control steps after which they are asked for new actions.",
    parse=whole(1, 1000),
    needs=(BY_STUDENT,),
)
ENSEMBLE = Argument(
    "ensemble",
    "off",
    "Students: temporal ensembling, the rate at which newer predictions of a step count less; off: the newest alone.",
    parse=rate_or_off(1000.0),
    needs=(BY_STUDENT,),
)
TRANSPORT = Argument(
    "transport",
    "ros",
    "How the policy reaches the robot; direct: twin, gate and policy in one process, without ROS, many side by side.",
    choices=("ros", "direct"),
)
OWN_TRANSPORT = replace(
    TRANSPORT,
    description="How the parts meet; ros: as nodes; direct: twin, gate and all others in one process, without ROS. A "
    "run may go on in either.",
    resume=Resume.KEPT,
)
"""of a stack that makes its run"""
WORKERS = Argument(
    "workers",
    "0",
    "transport:=direct: processes; 0: one for every core, but no more than the episodes are worth.",
    parse=whole(0, 1024),
    needs=(DIRECTLY, only_with("ray", "", says="is for this machine alone")),
)
RAY = Argument(
    "ray",
    "",
    "transport:=direct: a Ray cluster that runs the episodes, host:port, or auto. Empty: this machine does.",
    parse=matching(r"|auto|(ray://)?[\w.\[\]:-]+:[0-9]{1,5}", "host:port, or auto"),
    needs=(DIRECTLY,),
)
EVALUATION = Argument(
    "evaluation",
    "",
    "Name of the evaluation. Empty: the time of its start. That of an earlier one resumes it.",
    parse=NAMED,
)
DOCTORS_PACE = 0.5
"""speed of a twin that is examined: rates are counted in its own time, and a busy machine may be slow"""
BROWSER = "true"
"""the viewer that is a page"""
CONFIRMED = ("classifier", "pose")
"""rewards that a person may confirm"""
ACTING = ("deterministic", "replan", "ensemble")
"""arguments that say how a policy acts"""
