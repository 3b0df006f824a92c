# SPDX-License-Identifier: Apache-2.0
"""`contract.json` of a dataset: units, frames, cameras, image format, where the episodes come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rldg_core.files.checked_file import read_json
from rldg_core.files.safe_name import check_name
from rldg_core.files.versioned import version_of
from rldg_core.proprioception import PROPRIOCEPTION
from rldg_distill.datasets.episode import ACTION, ACTION_DIM, STATE_DIM
from rldg_distill.datasets.image_codec import ImageFormat

CONTRACT = "contract.json"
FIX = "Copy the dataset again, or convert its bags again"
FASTEST = 1000.0
"""[Hz] of control"""


@dataclass(frozen=True)
class Dimensions:
    """Of actions or states."""

    names: tuple[str, ...]
    """with units"""
    frame: str = ""


@dataclass(frozen=True)
class ForeignProvenance:
    """What bags made elsewhere were taken for."""

    resampling: str = ""
    """the rule"""
    told: dict[str, Any] = field(default_factory=dict)
    """by the options of `convert`, see `recordings.foreign.foreign_bag.StatedFacts`; existing files name it so"""
    bags: dict[str, dict[str, Any]] = field(default_factory=dict)
    """by name"""


@dataclass(frozen=True)
class Contract:
    """What the code relies on; more may stand in the file."""

    contract_version: str
    control_rate_hz: float
    cameras: dict[str, str]
    """topic by feature"""
    image_format: str
    """see `ImageFormat.parse`"""
    image_contract: str | None = None
    """see `rldg_core.image_contract`"""
    action: Dimensions = Dimensions(ACTION)
    state: Dimensions = Dimensions(PROPRIOCEPTION)
    left_out_topics: dict[str, str] = field(default_factory=dict)
    """why by topic"""
    recorded: ForeignProvenance = ForeignProvenance()
    rejected: dict[str, str] = field(default_factory=dict)
    """why by bag"""

    def __post_init__(self) -> None:
        if not 0 < self.control_rate_hz <= FASTEST:
            raise ValueError(f"a control rate of {self.control_rate_hz:g} Hz cannot be")
        if not self.cameras:
            raise ValueError("it names no camera")
        for camera in self.cameras:
            check_name(camera, "a camera")
        ImageFormat.parse(self.image_format)
        for name, size in (("action", ACTION_DIM), ("state", STATE_DIM)):
            if len(getattr(self, name).names) != size:
                raise ValueError(f"{name} has {size} dimensions, and not as many names")


def read_version(path: Path) -> str:
    """The contract's version, see `versioned`.

    Raises:
        FormatError: it tells none.
        OSError: it cannot be read.
    """
    return version_of(read_json(path, dict[str, Any], fix=FIX), str(path), FIX)


def read_contract(path: Path) -> Contract:
    """The file of a dataset of today's contract version.

    Raises:
        FormatError: it is damaged.
        OSError: it cannot be read.
    """
    return read_json(path, Contract, fix=FIX)
