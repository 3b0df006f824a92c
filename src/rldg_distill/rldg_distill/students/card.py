# SPDX-License-Identifier: Apache-2.0
"""`student.json`: what a student is, what it was trained on, and how it sees; without its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rldg_core.arm_spaces import ARM
from rldg_core.contract import CONTRACT_VERSION
from rldg_core.files.checked_file import FormatError, read_json, typed
from rldg_core.files.versioned import version_of
from rldg_core.space import Spaces
from rldg_core.user_error import UserError

CARD = "student.json"
FIX = "Copy the student again, card and weights, or distill anew"
FASTEST = 1000.0
"""[Hz] of control"""
LARGEST_SIDE = 1 << 14
"""[pixel] of an image"""


class StudentError(UserError, ValueError):
    """A student cannot be made, trained, loaded or asked so; the message says why and what to do."""


@dataclass(frozen=True)
class DataCard:
    """What a student has to know of the data that it is trained on.

    Raises:
        ValueError: a number that cannot be.
    """

    statistics: dict[str, dict[str, list[bool] | list[float]]]
    """`action` and `state` as in dataset_statistics.json, over all of the data"""
    fingerprints: dict[str, str]
    """of every dataset by its name"""
    cameras: dict[str, tuple[int, int]]
    """(height, width) of the images of every camera; the data may have none"""
    topics: dict[str, str]
    """topic of every camera"""
    control_rate: float
    """[Hz]"""
    instructions: tuple[str, ...]
    """every wording in the data"""
    action_scales: tuple[tuple[float, ...], ...] = ()
    """(M,) of every motion, what a full action of a teacher is, of an arm in m and rad; each that occurs once"""
    image_contract: str = ""
    """what the data's pictures are, see `rldg_core.image_contract`; empty: the twin's, or somebody else's"""
    contract_version: str = CONTRACT_VERSION
    spaces: Spaces = ARM
    """of actions and states; cards of version 0.1.0 have none: theirs are an arm's"""

    def __post_init__(self) -> None:
        if not 0 < self.control_rate <= FASTEST:
            raise ValueError(f"a control rate of {self.control_rate:g} Hz cannot be")
        for camera, size in self.cameras.items():
            if not all(0 < side <= LARGEST_SIDE for side in size):
                raise ValueError(f"images of {camera} cannot be of {size[0]} x {size[1]} pixels")
        motions = self.spaces.action.motions
        if any(len(scale) != motions or min(scale, default=1) <= 0 for scale in self.action_scales):
            raise ValueError(f"an action scale has {motions} numbers above 0")


@dataclass(frozen=True)
class StudentCard:
    """The content of the file.

    Raises:
        ValueError: a number that cannot be.
    """

    student: str
    """by the name in the registry"""
    contract_version: str
    config: dict[str, Any]
    """of that student's own configuration"""
    crop: dict[str, float] = field(default_factory=dict)
    """see `Student.crop`"""
    data: DataCard = field(kw_only=True)

    def __post_init__(self) -> None:
        if not all(0 < share <= 1 for share in self.crop.values()):
            raise ValueError("a crop is a share of an image, above 0 and up to 1")


def read_card(folder: Path) -> StudentCard:
    """Read the card of a student's folder.

    Raises:
        StudentError: there is none, it is damaged, or of another contract version.
    """
    path = folder / CARD
    try:
        content = read_json(path, dict[str, Any], fix=FIX)
        version = version_of(content, str(path), FIX)
        if version == CONTRACT_VERSION:
            return typed(content, StudentCard, str(path), fix=FIX)
    except OSError as error:
        raise StudentError(f"{folder} holds no student: there is no {CARD}") from error
    except FormatError as error:
        raise StudentError(f"a student's card is damaged: {error}") from error
    raise StudentError(
        f"{folder} was trained under contract version {version!r}, this program uses "
        f"{CONTRACT_VERSION!r}: its actions and observations mean something else; distill anew"
    )
