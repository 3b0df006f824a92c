# SPDX-License-Identifier: Apache-2.0
"""Installs the specialist package: environment, actor, learner, recorder and monitor."""

from setuptools import find_packages, setup

PACKAGE = "rldg_rl"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="The specialist: RL environment over ROS topics, actor, learner and recorder",
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "actor = rldg_rl.actor_node:main",
            "classifier = rldg_rl.rewards.classifier:main",
            "collector = rldg_rl.direct.collector:main",
            "compare = rldg_rl.evaluation.compare:main",
            "evaluator = rldg_rl.evaluation.evaluator:main",
            "keyboard = rldg_rl.keyboard_node:main",
            "learner = rldg_rl.learner_node:main",
            "monitor = rldg_rl.monitor_node:main",
            "recorder = rldg_rl.recorder_node:main",
            "relabel = rldg_rl.policies.relabel:main",
            "replayer = rldg_rl.replayer_node:main",
            "student = rldg_rl.student_node:main",
            "trainer = rldg_rl.direct.trainer:main",
            "sweep = rldg_rl.evaluation.sweep:main",
        ],
    },
)
