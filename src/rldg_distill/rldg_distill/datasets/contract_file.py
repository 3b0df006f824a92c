# SPDX-License-Identifier: Apache-2.0
"""`contract.json` of a dataset: units, frames, cameras, image format, where the episodes come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rldg_core.arm_spaces import ARM
from rldg_core.files.checked_file import read_json
from rldg_core.files.safe_name import check_name
from rldg_core.files.versioned import version_of
from rldg_core.space import Space, Spaces
from rldg_distill.datasets.image_codec import ImageFormat

CONTRACT = "contract.json"
FIX = "Copy the dataset again, or convert its bags again"
FASTEST = 1000.0
"""[Hz] of control"""


@dataclass(frozen=True)
class Dimensions:
    """Of actions or states: a space, and what else the file says of it."""

    names: tuple[str, ...]
    """see `Space`"""
    unit: tuple[float, ...] | None = None
    """see `Space`; files of version 0.1.0 have none: theirs are an arm's"""
    switches: int = 0
    """see `Space`"""
    frame: str = ""

    def space(self, of_arm: Space) -> Space:
        """As the file says; of version 0.1.0, the arm's.

        Raises:
            ValueError: the numbers do not fit each other, or are no arm's in a file without units.
        """
        if self.unit is not None:
            return Space(self.names, self.unit, self.switches)
        if self.names != of_arm.names:
            raise ValueError(
                "it has no units, as files of version 0.1.0, and not an arm's names: "
                + of_arm.difference(Space.of(*self.names))
            )
        return of_arm

    @classmethod
    def of(cls, space: Space, frame: str = "") -> Dimensions:
        """Inverse of `space`."""
        return cls(space.names, space.unit, space.switches, frame)


ARM_ACTION, ARM_STATE = Dimensions.of(ARM.action), Dimensions.of(ARM.state)


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
    """topic by feature; empty: the dataset has no images"""
    image_format: str
    """see `ImageFormat.parse`"""
    image_contract: str | None = None
    """see `rldg_core.image_contract`"""
    action: Dimensions = ARM_ACTION
    state: Dimensions = ARM_STATE
    left_out_topics: dict[str, str] = field(default_factory=dict)
    """why by topic"""
    recorded: ForeignProvenance = ForeignProvenance()
    rejected: dict[str, str] = field(default_factory=dict)
    """why by bag"""

    def __post_init__(self) -> None:
        if not 0 < self.control_rate_hz <= FASTEST:
            raise ValueError(f"a control rate of {self.control_rate_hz:g} Hz cannot be")
        for camera in self.cameras:
            check_name(camera, "a camera")
        ImageFormat.parse(self.image_format)
        for name in ("action", "state"):
            try:
                getattr(self, name).space(getattr(ARM, name))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error

    @property
    def spaces(self) -> Spaces:
        """What the numbers of actions and states mean."""
        return Spaces(self.action.space(ARM.action), self.state.space(ARM.state))


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
