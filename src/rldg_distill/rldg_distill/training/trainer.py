# SPDX-License-Identifier: Apache-2.0
"""A student learns: updates, validation, checkpoints.

Every pass through the network is seeded by its own number and its process's, augmentation too. With the loader's place
that makes a training that was killed at any moment go on with the losses that it would have had.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from rldg_core.files.checked_file import FormatError
from rldg_core.files.event_file import EventFile
from rldg_core.user_error import UserError
from rldg_distill.students.batch import StudentBatch
from rldg_distill.students.card import StudentError
from rldg_distill.students.student import Student
from rldg_distill.training import sharding, training_state
from rldg_distill.training.augmentation import RECIPES, augment
from rldg_distill.training.distributed import World
from rldg_distill.training.held_out import HeldOut
from rldg_distill.training.loader import Loader
from rldg_distill.training.student_run import StudentRun
from rldg_distill.training.training_config import TrainingConfig
from rldg_distill.training.training_state import Average, TrainingProgress


class TrainingError(UserError):
    """A training that had begun cannot go on; the message says why and what to do."""


def prepare(student: Student, config: TrainingConfig) -> None:
    """Tell a student what augmentation makes it see: whether a policy has to crop."""
    recipe = RECIPES[config.augment]
    if recipe is not None and config.crop:
        student.crop = dict.fromkeys(student.cropped_cameras, recipe.evaluation_area)


class Trainer:
    """One process of a training."""

    def __init__(
        self,
        config: TrainingConfig,
        student: Student,
        loader: Loader,
        held_out: HeldOut,
        run: StudentRun,
        world: World,
        on_line: Callable[[dict[str, Any]], None] = lambda line: None,
    ) -> None:
        """Get ready; `on_line` is called with every point of the loss curve and every validation."""
        self.config, self.student, self.loader = config, student, loader
        self.held_out, self.run, self.world, self.on_line = held_out, run, world, on_line
        self.kind = config.loss or student.losses[0]
        self.progress = TrainingProgress()
        self.stopped = False
        """set it, and the training ends behind the present update with a checkpoint"""
        self.optimizer = torch.optim.AdamW(
            student.parameter_groups(config.weight_decay), lr=config.learning_rate, fused=True
        )
        self._moved = [p for p in student.parameters() if p.requires_grad]
        self._average = Average(student, config.ema) if config.ema else None
        self._network: torch.nn.Module = student
        if world.ranks > 1 and not config.shard:
            self._network = DistributedDataParallel(student, find_unused_parameters=True)
        self._recipe = RECIPES[config.augment]
        self._autocast = _autocast(config, world.device)
        self._board: EventFile | None = None
        self._since = time.monotonic()

    def resume(self) -> None:
        """Go on from the run's checkpoint.

        Raises:
            StudentError: it is damaged or of another student.
        """
        self.progress = training_state.load(
            self.run.student_training, self.student, self.optimizer, self._average
        )
        try:
            self.loader.restore(self.progress.loader or {})
        except FormatError as error:
            raise StudentError(
                f"{self.run.student_training}: {error}: {training_state.FIX}"
            ) from error

    def train(self) -> None:
        """Until the last update, an early stop, or `stopped`; ends with a checkpoint.

        Raises:
            TrainingError: the loss is no number any more.
        """
        self.student.train()
        if self.world.leads:
            self.run.keep_lines(self.progress.step)
            self._board = EventFile(self.run.tensorboard / "distill")
        if self.config.patience and not self.progress.best_validation:
            # What was best before patience was asked for is on no disk.
            self.progress.best, self.progress.stale = None, 0
        self._since = time.monotonic()
        meter = LossMeter(self.config, self.world)
        while self.progress.step < self.config.steps and not self._ended():
            losses, norm = self._update()
            self.progress.step += 1
            meter.add(losses, norm)
            # Before a checkpoint too: it must not keep weights that are no numbers any more.
            if self._is_due(self.config.log_every) or self._is_due(self.config.checkpoint_every):
                self._log(meter)
            if self._is_due(self.config.validate_every):
                self.validate()
            if self._is_due(self.config.checkpoint_every):
                self.checkpoint()
            meter.resume()
        if meter.count:
            self._log(meter)
        if self.progress.validated != self.progress.step:
            # Only a stop comes between the validations that are due, and must not count as one.
            self.validate(counts=self.progress.step >= self.config.steps)
        self.checkpoint()
        if self._board is not None:
            self._board.close()

    def _is_due(self, every: int) -> bool:
        return every > 0 and self.progress.step % every == 0

    def _ended(self) -> bool:
        patience = self.config.patience
        return self.stopped or bool(patience and self.progress.stale >= patience)

    def _update(self) -> tuple[dict[str, Tensor], Tensor]:
        """One step of the optimiser; its losses and the gradient's norm before clipping."""
        step, passes = self.progress.step, self.config.accumulate
        rate = self.config.learning_rate * learning_rate_factor(self.config, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses: dict[str, Tensor] = {}
        for index in range(passes):
            generator = self._seed(step * passes + index)
            batch = self._seen(next(self.loader).to(self.world.device), generator)
            with self._syncing(index == passes - 1), self._autocast():
                parts = self._network(batch, self.kind)
                (parts["loss"] / passes).backward()
            for name, value in parts.items():
                share = value.detach().float() / passes
                losses[name] = losses[name] + share if name in losses else share
        norm = torch.nn.utils.clip_grad_norm_(self._moved, self.config.clip or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self._average is not None:
            self._average.update(step)
        return losses, sharding.undivided(norm)

    def _seed(self, number: int) -> torch.Generator:
        """Seed torch for a pass, and give the generator of its augmentation."""
        entropy = np.random.SeedSequence([self.config.seed, self.world.rank, number])
        noise, change = entropy.generate_state(2, np.uint64)
        torch.manual_seed(int(noise >> 1))
        return torch.Generator().manual_seed(int(change >> 1))

    def _syncing(self, last: bool) -> Any:
        """Gradients meet those of other processes in the last pass of an update only, unless weights are divided: then
        no process has room for all of them.
        """
        if last or not isinstance(self._network, DistributedDataParallel):
            return nullcontext()
        return self._network.no_sync()

    def _seen(self, batch: StudentBatch, generator: torch.Generator) -> StudentBatch:
        student = self.student
        if self._recipe is None:
            return replace(batch, images=student.shown(batch.images))
        cropped = student.cropped_cameras if self.config.crop else frozenset()
        images = {
            camera: augment(batch.images[camera], self._recipe, camera in cropped, size, generator)
            for camera, size in student.image_sizes.items()
        }
        return replace(batch, images=images)

    def validate(self, counts: bool = True) -> None:
        """Look at the held-out steps, with the averaged weights where there are any.

        Args:
            counts: whether what is found may become the best, or let patience wear out.
        """
        progress = self.progress
        if self.world.leads or self.config.shard:
            with self._kept(), self._autocast():
                progress.validation = self.held_out.judge(self.student, self.kind)
            self._check_finite(progress.validation, "validation loss")
        if self.world.leads:
            self._tell({"step": progress.step, "validation": progress.validation})
        if counts:
            self._weigh()
        self.world.wait()

    def _weigh(self) -> None:
        """Whether the last validation found the best student so far."""
        progress = self.progress
        progress.validated = progress.step
        if self.world.agree(progress.is_best()):
            progress.best, progress.stale = progress.validation.get("loss"), 0
            if self.config.patience:
                progress.best_validation = progress.validation
                self._save_student()
        else:
            progress.stale += 1

    def checkpoint(self) -> None:
        """Write the student and all that the next update depends on."""
        self.progress.loader = self.loader.state()
        now = time.monotonic()
        self.progress.seconds += now - self._since
        self._since = now
        if not self.config.patience:
            self.progress.best_validation = {}
            self._save_student()
        tensors = training_state.tensors(self.student, self.optimizer, self._average)
        tensors = sharding.gathered(tensors, self.world)
        if self.world.leads:
            training_state.save(self.run.student_training, tensors, self.progress)
        self.world.wait()

    def _save_student(self) -> None:
        with self._kept():
            tensors = sharding.gathered(self.student.kept(), self.world)
            if self.world.leads:
                self.student.save(self.run.student, tensors)

    def _kept(self) -> Any:
        """With the weights that are kept as the student."""
        return nullcontext() if self._average is None else _Swapped(self._average)

    def _log(self, meter: LossMeter) -> None:
        line = {"step": self.progress.step, **meter.read()}
        self._check_finite(line, "loss")
        line["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        if self.world.leads:
            self._tell(line)

    def _check_finite(self, found: dict[str, Any], what: str) -> None:
        if not math.isfinite(found["loss"]):
            raise TrainingError(
                f"the {what} is {found['loss']} at update {self.progress.step}: start again with a lower "
                "--learning-rate under another --name"
            )

    def _tell(self, line: dict[str, Any]) -> None:
        with self.run.metrics.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        assert self._board is not None
        for name, value in _flat(line):
            self._board.add_scalar(name, value, line["step"])
        self.on_line(line)


class _Swapped:
    """The averaged weights, for a while."""

    def __init__(self, average: Average) -> None:
        self._average = average

    def __enter__(self) -> None:
        self._average.swap()

    def __exit__(self, *_: object) -> None:
        self._average.swap()


class LossMeter:
    """Means between two points of the loss curve. What was added stays on the device until it is read."""

    def __init__(self, config: TrainingConfig, world: World) -> None:
        """Start the clock."""
        self._world = world
        self._samples = config.batch_size * config.accumulate * world.ranks
        self._clear()

    def _clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self.count = 0
        """updates since the last reading"""
        self.resume()

    def resume(self) -> None:
        """Start the clock anew if nothing was added: time spent on validation and checkpoints does not count."""
        if not self.count:
            self._since = time.monotonic()

    def add(self, losses: dict[str, Tensor], norm: Tensor) -> None:
        """Those of one update."""
        for name, value in (losses | {"gradient_norm": norm}).items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self.count += 1

    def read(self) -> dict[str, float]:
        """Means over all processes and updates since the last time, and samples per second."""
        means = self._world.average(torch.stack(list(self._sums.values())) / self.count)
        line = dict(zip(self._sums, means.tolist(), strict=True))
        line["samples_per_second"] = self._samples * self.count / (time.monotonic() - self._since)
        self._clear()
        return line


def learning_rate_factor(config: TrainingConfig, step: int) -> float:
    """Share of the peak learning rate in an update: a linear rise, then constant or half a cosine down to 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    done = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def computes_in_bf16(config: TrainingConfig, device: torch.device) -> bool:
    """Whether bfloat16 was asked for, or nothing was and the GPU has it."""
    able = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return config.precision == "bf16" or (config.precision == "auto" and able)


def _autocast(config: TrainingConfig, device: torch.device) -> Callable[[], Any]:
    if computes_in_bf16(config, device):
        return lambda: torch.autocast(device.type, torch.bfloat16)
    return nullcontext


def _flat(line: dict[str, Any], prefix: str = "train/") -> list[tuple[str, float]]:
    """Names and numbers for TensorBoard."""
    found: list[tuple[str, float]] = []
    for name, value in line.items():
        if isinstance(value, dict):
            inner = "" if prefix == "train/" else prefix
            found += _flat(value, f"{inner}{name}/")
        elif name != "step":
            found.append((prefix + name, float(value)))
    return found
