# SPDX-License-Identifier: Apache-2.0
"""Installs what all packages share: topics, tasks, poses, files, bags, commands, workers."""

from setuptools import find_packages, setup

PACKAGE = "rldg_core"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*"]),
    package_data={PACKAGE: ["operators/*.yaml", "tasks/*.yaml"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="What all packages share: topics, tasks, poses, files, bags, commands, workers",
    extras_require={"test": ["pytest"], "ray": ["ray==2.60.0"]},
)
