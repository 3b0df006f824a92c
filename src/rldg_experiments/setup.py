# SPDX-License-Identifier: Apache-2.0
"""Installs the experiments package: whole comparisons, from specialists to a report, in one command."""

from setuptools import setup

PACKAGE = "rldg_experiments"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=[PACKAGE],
    package_data={PACKAGE: ["experiments/*.yaml", "*.yaml", "*.j2"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="Whole comparisons in one command: specialists, data, students, evaluation, report",
    extras_require={"test": ["pytest"]},
    entry_points={"console_scripts": ["experiment = rldg_experiments.command_line:main"]},
)
