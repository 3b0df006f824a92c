# SPDX-License-Identifier: Apache-2.0
"""Installs the offline package: from bags to datasets to students."""

from setuptools import find_packages, setup

PACKAGE = "rldg_distill"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(include=[f"{PACKAGE}*"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
    ],
    zip_safe=False,
    license="Apache-2.0",
    description="The generalist, offline: from bags to datasets to students",
    extras_require={"test": ["pytest"]},
    entry_points={
        "console_scripts": [
            "convert = rldg_distill.convert:main",
            "dataset = rldg_distill.dataset:main",
            "distill = rldg_distill.distill:main",
        ],
    },
)
