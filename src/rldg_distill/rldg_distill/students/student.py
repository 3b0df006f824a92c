# SPDX-License-Identifier: Apache-2.0
"""The one interface of all students: trained on batches, asked for actions, kept in a folder.

    checkpoints/student/student.safetensors   weights
    checkpoints/student/student.json          student, configuration, contract version, statistics, origin

A new student is one folder here with a `student.py` that ends with `STUDENT = <its class>`. It writes `loss` and
`predict`; the rest is here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from rldg_core.contract import CONTRACT_VERSION
from rldg_core.files.atomic_file import write_atomically, written_whole
from rldg_core.image_contract import SIZE
from rldg_distill.students.batch import Inputs, StudentBatch, StudentObservation
from rldg_distill.students.card import CARD, DataCard, StudentCard, StudentError, read_card
from rldg_distill.students.images import fit
from rldg_distill.students.normalization import NEEDED, Normalizer
from rldg_distill.weights import WeightsError, check_fit, read_weights

WEIGHTS = "student.safetensors"


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
    most: ClassVar[Mapping[str, int]] = {"window": 100, "chunk": 1000}
    """of a number, so that no card makes a network that no memory holds"""

    def __post_init__(self) -> None:
        if self.window < 1 or self.chunk < 1:
            raise ValueError("window and chunk must be 1 or more")
        for name, most in self.most.items():
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}, and may be {most} at most")
        if self.normalization not in NEEDED:
            raise ValueError(
                f"no normalization '{self.normalization}'; there are: {', '.join(NEEDED)}"
            )

    def idle(self, *, begun: bool) -> dict[str, str]:
        """Options that change nothing under the others: why, by name.

        Args:
            begun: whether there is a checkpoint to start from.
        """
        return {}


SHOWN = {"image": (SIZE, SIZE)}
"""(height, width) of what a robot's cameras show, by feature"""


class Student(nn.Module, ABC):
    """A policy that follows an instruction in words.

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
        kind, statistics, spaces = config.normalization, data.statistics, data.spaces
        self.normalize_action = Normalizer(kind, statistics, "action", len(spaces.action))
        self.normalize_state = Normalizer(kind, statistics, "state", len(spaces.state))
        missing = set(self.image_sizes) - set(data.cameras)
        if missing:
            there = (
                f"the data have {sorted(data.cameras)}"
                if data.cameras
                else "the data have no images"
            )
            raise StudentError(f"{self.name} looks through {sorted(missing)}, {there}")

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
    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """`loss`, to be minimised, and its parts: scalars. Masked actions count nothing."""

    @abstractmethod
    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, A) float32 actions from the window's last step on, in dataset units."""

    def initialize(self, checkpoint: Path) -> None:
        """Take weights from elsewhere: of an official checkpoint, or of a student like this one.

        Raises:
            StudentError: it is no checkpoint for this student.
        """
        if not (checkpoint / CARD).is_file():
            raise StudentError(
                f"{checkpoint} has no {CARD}; {self.name} starts from students of its kind only"
            )
        self.go_on_from(checkpoint)

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

    def go_on_from(self, folder: Path) -> None:
        """Take the weights of a student like this one, whose card is compared first.

        Raises:
            StudentError: it is none.
        """
        card = read_card(folder)
        if card.student != self.name:
            raise StudentError(
                f"{folder} is a student '{card.student}', and '{self.name}' is to start from it: "
                f"give --student {card.student}, or another --init"
            )
        if differs := self.data.spaces.difference(card.data.spaces):
            raise StudentError(f"{folder} was trained on data of another space: {differs}")
        own = json.loads(json.dumps(asdict(self.config)))
        other = {name: value for name, value in card.config.items() if own.get(name) != value}
        try:
            self.load_weights(folder)
        except StudentError as error:
            settings = ", ".join(f"{name} {str(value)[:40]}" for name, value in other.items())
            raise StudentError(
                f"{error}{settings and f'. It has {settings[:300]}: give the same'}"
            ) from error

    @property
    def device(self) -> torch.device:
        """Where its parameters are."""
        return next(self.parameters()).device

    def forward(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """`loss`; what DistributedDataParallel calls."""
        return self.loss(batch, kind)

    def shown(self, images: dict[str, Tensor]) -> dict[str, Tensor]:
        """Images of the data's sizes as `loss` and `predict` take them outside training: the centre, resized."""
        return {
            camera: fit(images[camera], size, self.crop.get(camera, 1.0))
            for camera, size in self.image_sizes.items()
        }

    def never_shown(self) -> str:
        """Why no robot of this project can act by this student; empty: one can."""
        beyond = sorted(set(self.image_sizes) - set(SHOWN))
        if beyond:
            return f"the student looks through {', '.join(beyond)}, a robot offers {', '.join(SHOWN)} alone"
        for camera in self.image_sizes:
            if (size := tuple(self.data.cameras[camera])) != SHOWN[camera]:
                return (
                    f"the data's images of {camera} are {size[1]}x{size[0]}, a robot's are {SIZE}x{SIZE}: convert "
                    "the bags again, which crops and sizes them"
                )
        return ""

    @torch.inference_mode()
    def act(self, observation: StudentObservation, instruction: str) -> np.ndarray:
        """(K, A) float32: the actions from now on, in dataset units.

        Raises:
            StudentError: a camera is missing, an image has another size than the data's, too many steps, or a state of
                another length.
        """
        inputs = self._inputs(observation, instruction)
        inputs = replace(inputs, images=self.shown(inputs.images)).to(self.device)
        action: np.ndarray = self.predict(inputs)[0].float().cpu().numpy()
        if not np.isfinite(action).all():
            raise StudentError(
                f"the {self.name} predicts actions that are no numbers: its training had failed; distill anew"
            )
        return action

    def _inputs(self, observation: StudentObservation, instruction: str) -> Inputs:
        """One moment as a batch of one; a history that is too short repeats its first step, masked."""
        window, steps = self.config.window, len(observation.state)
        if not 1 <= steps <= window:
            raise StudentError(f"{steps} steps of history, this student takes 1 to {window}")
        numbers = len(self.data.spaces.state)
        if observation.state.shape != (steps, numbers):
            raise StudentError(
                f"states are {observation.state.shape}, this student was trained on {(steps, numbers)}"
            )
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
        card = StudentCard(
            self.name, CONTRACT_VERSION, asdict(self.config), self.crop, data=self.data
        )
        write_atomically(folder / CARD, json.dumps(asdict(card), indent=2))

    def save_weights(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write `student.safetensors`."""
        with written_whole(folder / WEIGHTS) as draft:
            safetensors.torch.save_file(tensors, draft)

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote.

        Raises:
            StudentError: the file is missing, damaged, or of a student of other sizes.
        """
        path = folder / WEIGHTS
        try:
            tensors, _ = read_weights(path)
            check_fit(tensors, self.state_dict(), path)
        except WeightsError as error:
            raise StudentError(str(error)) from error
        self.load_state_dict(tensors)


def _filled(values: np.ndarray, window: int) -> np.ndarray:
    """(window, ...): the first step repeated in front of what is there."""
    return np.concatenate([np.repeat(values[:1], window - len(values), axis=0), values])
