# SPDX-License-Identifier: Apache-2.0
"""The one interface of all students: trained on batches, asked for actions, kept in a folder.

    checkpoints/student/student.safetensors   weights
    checkpoints/student/student.json          student, configuration, contract version, statistics, origin

A new student is one folder here with a `student.py` that ends with `STUDENT = <its class>`. It writes `loss` and
`predict`; the rest is here.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rldg_distill.students.batch import Batch, Inputs, Observation
from rldg_distill.students.images import fit
from rldg_distill.students.normalization import NEEDED, Normalizer
from rldg_robot.contract import CONTRACT_VERSION

CARD = "student.json"
WEIGHTS = "student.safetensors"


class StudentError(ValueError):
    """A student cannot be made, trained, loaded or asked so; the message says why and what to do."""


@dataclass
class StudentConfig:
    """What makes a student the one that it is. A student adds its own fields; each is an option of `distill`.

    Raises:
        ValueError: a number that cannot be.
    """

    size: str
    """of the network"""
    window: int = 1
    """steps of history that it sees, the present one among them"""
    chunk: int = 4
    """actions that it predicts at once"""
    normalization: str = "normal"
    """of actions and states: normal (mean and std) or bounds_q99"""

    def __post_init__(self) -> None:
        if self.window < 1 or self.chunk < 1:
            raise ValueError("window and chunk must be 1 or more")
        if self.normalization not in NEEDED:
            raise ValueError(
                f"no normalization '{self.normalization}'; there are: {', '.join(NEEDED)}"
            )


@dataclass(frozen=True)
class DataCard:
    """What a student has to know of the data that it is trained on."""

    statistics: dict[str, Any]
    """`action` and `state` as in dataset_statistics.json, over all of the data"""
    fingerprints: dict[str, str]
    """of every dataset by its name"""
    cameras: dict[str, tuple[int, int]]
    """(height, width) of the images of every camera"""
    topics: dict[str, str]
    """topic of every camera"""
    control_rate: float
    """[Hz]"""
    instructions: tuple[str, ...]
    """every wording in the data"""
    action_scales: tuple[tuple[float, ...], ...] = ()
    """(6,) m and rad of a full action of a teacher, each that occurs once"""
    image_contract: str = ""
    """what the data's pictures are, see `rldg_robot.camera.image_contract`; empty: the twin's, or somebody else's"""
    contract_version: str = CONTRACT_VERSION

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """What `asdict` and JSON made of one."""
        values = dict(content)
        values["cameras"] = {name: (size[0], size[1]) for name, size in content["cameras"].items()}
        values["instructions"] = tuple(content["instructions"])
        values["action_scales"] = tuple(map(tuple, content["action_scales"]))
        return cls(**values)


class Student(nn.Module, ABC):
    """A policy that is told in words what to do.

    A batch that reaches `loss` and `predict` has images of the sizes that `image_sizes` names. Random numbers come
    from torch's default generators alone, which a training keeps in its checkpoints.
    """

    name: ClassVar[str]
    """of its folder"""
    sizes: ClassVar[tuple[str, ...]]
    """that `configure` knows"""
    losses: ClassVar[tuple[str, ...]] = ("own",)
    """kinds that `loss` knows, the default first: own, teacher_kl, teacher_expected"""
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """values of `distill`'s options by recipe, `default` the usual one; `<recipe>/<size>` holds over `<recipe>`"""

    def __init__(self, config: StudentConfig, data: DataCard) -> None:
        """A student with random weights.

        Raises:
            MissingStatistic: the data's statistics lack a number.
            StudentError: the data lack a camera that the student needs.
        """
        super().__init__()
        self.config = config
        self.data = data
        self.crop: dict[str, float] = {}
        """share of the area of a camera's image that it is shown outside training; the rest are shown whole"""
        self.written_as: dict[str, torch.dtype] = {}
        """type of a tensor in its folder, where a training keeps it in another"""
        self.normalize_action = Normalizer(config.normalization, data.statistics, "action")
        self.normalize_state = Normalizer(config.normalization, data.statistics, "state")
        missing = set(self.image_sizes) - set(data.cameras)
        if missing:
            raise StudentError(
                f"{self.name} looks through {sorted(missing)}, the data have {sorted(data.cameras)}"
            )

    # --- what a student writes ------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def configure(cls, size: str) -> StudentConfig:
        """The configuration of a size; `sizes` names them."""

    @property
    @abstractmethod
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """(height, width) that the network takes, of every camera that it looks through. From `config` alone."""

    @property
    def cropped_cameras(self) -> frozenset[str]:
        """Cameras of whose images augmentation may cut out parts."""
        return frozenset(self.image_sizes)

    @abstractmethod
    def loss(self, batch: Batch, kind: str) -> dict[str, Tensor]:
        """`loss`, to be minimised, and its parts: scalars. Masked actions count nothing."""

    @abstractmethod
    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, 7) float32 actions from the window's last step on, in dataset units."""

    def initialize(self, checkpoint: Path) -> None:
        """Take weights from elsewhere: of an official checkpoint, or of a student like this one.

        Raises:
            StudentError: it is no checkpoint for this student.
        """
        if not (checkpoint / CARD).is_file():
            raise StudentError(
                f"{checkpoint} has no {CARD}; {self.name} starts from students of its kind only"
            )
        self.load_weights(checkpoint)

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """What the optimiser moves: matrices and filters with weight decay, biases, scales and offsets without."""
        moved = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return [
            {"params": [p for p in moved if p.ndim >= 2], "weight_decay": weight_decay},
            {"params": [p for p in moved if p.ndim < 2], "weight_decay": 0.0},
        ]

    def units(self) -> list[nn.Module]:
        """Its layers: modules that run one after the other, each by being called.

        A training that divides the weights has those of one layer whole at a time, and whatever is in none all along.

        Raises:
            StudentError: its weights cannot be divided.
        """
        return []

    # --- what all have --------------------------------------------------------------------------------------------

    @classmethod
    def create(cls, config: StudentConfig, data: DataCard, init: Path | None = None) -> Self:
        """A student to be trained, with random weights or those of a checkpoint."""
        student = cls(config, data)
        if init is not None:
            student.initialize(init)
        return student

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def forward(self, batch: Batch, kind: str) -> dict[str, Tensor]:
        """`loss`; what DistributedDataParallel calls."""
        return self.loss(batch, kind)

    def shown(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Images of the data's sizes as `loss` and `predict` take them outside training: the centre, resized."""
        return {
            camera: fit(images[camera], size, self.crop.get(camera, 1.0))
            for camera, size in self.image_sizes.items()
        }

    @torch.inference_mode()
    def act(self, observation: Observation, instruction: str) -> np.ndarray:
        """(K, 7) float32: the actions from now on, in dataset units.

        Raises:
            StudentError: a camera is missing, an image has another size than the data's, or too many steps.
        """
        inputs = self._inputs(observation, instruction)
        inputs = replace(inputs, images=self.shown(inputs.images)).to(self.device)
        action: np.ndarray = self.predict(inputs)[0].float().cpu().numpy()
        return action

    def _inputs(self, observation: Observation, instruction: str) -> Inputs:
        """One moment as a batch of one; a history that is too short repeats its first step, masked."""
        window, steps = self.config.window, len(observation.state)
        if not 1 <= steps <= window:
            raise StudentError(f"{steps} steps of history, this student takes 1 to {window}")
        images = {}
        for camera in self.image_sizes:
            if camera not in observation.images:
                raise StudentError(f"no image of {camera}; given: {sorted(observation.images)}")
            image, size = observation.images[camera], self.data.cameras[camera]
            if image.shape != (steps, *size, 3):
                raise StudentError(
                    f"images of {camera} are {image.shape}, this student was trained on {(steps, *size, 3)}"
                )
            images[camera] = torch.from_numpy(_filled(image, window))[None]
        mask = torch.arange(window) >= window - steps
        state = torch.from_numpy(_filled(observation.state.astype(np.float32), window))
        return Inputs(images, mask[None], state[None], [instruction])

    def kept(self) -> dict[str, Tensor]:
        """What its folder holds by name: every parameter and persistent buffer."""
        return self.state_dict()

    def save(self, folder: Path, tensors: Mapping[str, Tensor] | None = None) -> None:
        """Write what `load` reads. After a crash every file is the old one or the new one, whole.

        Args:
            folder: made where it is missing.
            tensors: in place of `kept`, whose names they have.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = self.kept() if tensors is None else tensors
        written = {
            name: tensor.to(self.written_as.get(name, tensor.dtype)).contiguous()
            for name, tensor in tensors.items()
        }
        self.save_weights(folder, written)
        card = {
            "student": self.name,
            "contract_version": CONTRACT_VERSION,
            "config": asdict(self.config),
            "crop": self.crop,
            "data": asdict(self.data),
        }
        _replace(folder / CARD, json.dumps(card, indent=2).encode())

    def save_weights(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write `student.safetensors`."""
        draft = folder / f".{WEIGHTS}.draft"
        safetensors.torch.save_file(tensors, draft)
        _settle(draft, folder / WEIGHTS)

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote.

        Raises:
            StudentError: the file is missing, damaged, or of a student of other sizes.
        """
        try:
            self.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
        except (OSError, SafetensorError) as error:
            raise StudentError(f"{folder / WEIGHTS} cannot be read: {error}") from error
        except RuntimeError as error:
            raise StudentError(f"{folder / WEIGHTS} is of another network: {error}") from error


def read_card(folder: Path) -> dict[str, Any]:
    """The content of `student.json`, without its weights.

    Raises:
        StudentError: there is none, it is damaged, or of another contract version.
    """
    try:
        card: dict[str, Any] = json.loads((folder / CARD).read_text())
        version = card["contract_version"]
    except OSError as error:
        raise StudentError(f"{folder} holds no student: there is no {CARD}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StudentError(f"{folder / CARD} is damaged: {error!r}") from error
    if version != CONTRACT_VERSION:
        raise StudentError(
            f"{folder} was trained under contract version {version!r}, this program speaks "
            f"{CONTRACT_VERSION!r}: its actions and observations mean something else; distill anew"
        )
    return card


def _filled(values: np.ndarray, window: int) -> np.ndarray:
    """(window, ...): the first step repeated in front of what is there."""
    return np.concatenate([np.repeat(values[:1], window - len(values), axis=0), values])


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(content)
    _settle(draft, path)


def _settle(draft: Path, path: Path) -> None:
    """Give a finished file its name, durably."""
    with draft.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(draft, path)
