# SPDX-License-Identifier: Apache-2.0
"""OpenVLA as a student: action tokens one after the other, or OFT's chunk at once; LoRA or all weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch
from peft import PeftModel
from torch import Tensor, nn

from rldg_distill.students.batch import Inputs, StudentBatch
from rldg_distill.students.card import CARD, DataCard, StudentError
from rldg_distill.students.openvla import checkpoints, lora, quantization
from rldg_distill.students.openvla.config import SIZES, read, write
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.oft import ChunkHead
from rldg_distill.students.openvla.pixels import pixel_values
from rldg_distill.students.openvla.targets import binned, divergence, hard
from rldg_distill.students.openvla.tokens import Prompts, PromptTokenizer, tiny_tokenizer
from rldg_distill.students.student import WEIGHTS, Student, StudentConfig
from rldg_distill.students.teacher import expected_action, masked_mean
from rldg_distill.weights import WeightsError, check_fit, read_weights

VARIANTS = ("tokens", "oft")
BASE = "base"
"""in the header of the weights: the checkpoint that they stand on"""


@dataclass
class OpenVLAStudentConfig(StudentConfig):
    """An OpenVLA and how it is trained."""

    size: str = "tiny"
    chunk: int = 1
    normalization: str = "bounds_q99"
    cameras: tuple[str, ...] = ("image",)
    """whose images it sees, in this order; OpenVLA was pretrained on one"""
    variant: str = "tokens"
    """tokens: OpenVLA, one action, token by token; oft: OpenVLA-OFT, a chunk of actions from one pass, by an L1 head"""
    proprioception: bool = True
    """oft sees the state too"""
    lora_rank: int = 32
    """of the adapters; 0: all weights are trained"""
    lora_alpha: int = 16
    """adapters are scaled by lora_alpha / lora_rank"""
    lora_output: bool = False
    """adapters on the language model's output layer too"""
    quantize: int = 0
    """8 or 4: bits of the language model's weights; needs an NVIDIA GPU, bitsandbytes and adapters"""
    most: ClassVar[Mapping[str, int]] = {
        **StudentConfig.most,
        "lora_rank": 1024,
        "lora_alpha": 1 << 20,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cameras = tuple(self.cameras)  # a list, where read from JSON
        if self.variant not in VARIANTS:
            raise ValueError(f"no variant '{self.variant}'; there are: {', '.join(VARIANTS)}")
        if self.variant == "tokens" and self.chunk != 1:
            raise ValueError("OpenVLA predicts one action: chunk 1, or variant oft")
        if self.window != 1:
            raise ValueError("OpenVLA has no history: window 1")
        if self.quantize and not self.lora_rank:
            raise ValueError(
                "quantised weights cannot be trained: lora_rank above 0, or quantize 0"
            )
        if self.quantize not in (0, *quantization.BITS):
            raise ValueError(f"quantize {self.quantize}; there are: 0, 4, 8")
        if not self.cameras:
            raise ValueError("OpenVLA needs at least one camera")

    def idle(self, *, begun: bool) -> dict[str, str]:
        """See `StudentConfig`."""
        reasons = {}
        if self.variant != "oft":
            reasons["proprioception"] = "it is for --variant oft"
        if not self.lora_rank:
            reasons |= dict.fromkeys(("lora_alpha", "lora_output"), "there are no adapters")
        return reasons


class OpenVLAStudent(Student):
    """OpenVLA or OpenVLA-OFT.

    With adapters on a checkpoint its folder holds them alone (and OFT's head), and the checkpoint is read again from
    where it was. Otherwise everything is in the folder. `export` writes the network, adapters merged.
    """

    name = "openvla"
    sizes = tuple(SIZES)
    losses = ("own", "teacher_kl", "teacher_expected")
    recipes: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # OpenVLA's own script for fine-tuning.
        "default/7b": {
            "steps": 50000,
            "batch_size": 16,
            "learning_rate": 5e-4,
            "schedule": "constant",
            "warmup": 0,
            "clip": 0.0,
            "augment": "openvla",
        },
        "default/tiny": {"batch_size": 32, "learning_rate": 5e-4},
        # Xu et al. 2024: 2 samples in 3 passes, adapters on the output too, images as they are.
        "rldg/7b": {
            "steps": 25000,
            "batch_size": 2,
            "accumulate": 3,
            "learning_rate": 2e-5,
            "schedule": "constant",
            "warmup": 0,
            "clip": 0.0,
            "lora_output": True,
        },
    }
    config: OpenVLAStudentConfig
    vla: OpenVLA | PeftModel

    def __init__(self, config: OpenVLAStudentConfig, data: DataCard) -> None:
        """With random weights; `7b` takes no memory before it is initialised."""
        super().__init__(config, data)
        network = SIZES[config.size]
        self.base: Path | None = None
        """folder of the checkpoint that the adapters stand on"""
        self.prompts: PromptTokenizer | None = None
        if config.size == "tiny":
            self.prompts = PromptTokenizer(tiny_tokenizer(), network)
        with torch.device("cpu" if config.size == "tiny" else "meta"):
            self._take(OpenVLA(network))
        self.chunk_head: ChunkHead | None = None
        if config.variant == "oft":
            state = len(data.spaces.state) if config.proprioception else None
            width = network.language.hidden_size
            self.chunk_head = ChunkHead(width, config.chunk, len(data.spaces.action), state)

    @classmethod
    def configure(cls, size: str) -> OpenVLAStudentConfig:
        """Adapters of rank 32 on the 7B; all weights where they are few."""
        return OpenVLAStudentConfig(size=size, lora_rank=0 if size == "tiny" else 32)

    @classmethod
    def create(cls, config: StudentConfig, data: DataCard, init: Path | None = None) -> Self:
        """As every student; of 7B parameters or in few bits it starts from a checkpoint only.

        Raises:
            StudentError: it would have to start from a checkpoint; and as of every student.
        """
        assert isinstance(config, OpenVLAStudentConfig)
        if config.quantize:
            quantization.library()
        if init is None and (config.size != "tiny" or config.quantize):
            raise StudentError(
                f"openvla {config.size} is not trained from nothing: start from the folder of a checkpoint"
            )
        return super().create(config, data, init)

    @property
    def image_sizes(self) -> dict[str, tuple[int, int]]:
        """Squares, of every camera."""
        side = SIZES[self.config.size].image_size
        return dict.fromkeys(self.config.cameras, (side, side))

    @property
    def core(self) -> OpenVLA:
        """The network, with adapters in its layers where it has any."""
        if isinstance(self.vla, PeftModel):
            return cast(OpenVLA, self.vla.get_base_model())
        return self.vla

    # --- training and acting --------------------------------------------------------------------------------------

    def loss(self, batch: StudentBatch, kind: str) -> dict[str, Tensor]:
        """The variant's own loss; or towards the teacher's distribution, or its mean action.

        tokens: cross-entropy of the action tokens and the end of the sequence; with `teacher_kl` the divergence from
        the teacher's distribution over the bins takes its place, for the motion and where the teacher is known. oft:
        L1.

        Raises:
            StudentError: the variant has no such loss.
        """
        if self.chunk_head is not None and kind == "teacher_kl":
            raise StudentError(
                "oft predicts an action, not a distribution: its losses are own and teacher_expected"
            )
        action = expected_action(batch) if kind == "teacher_expected" else batch.action
        wanted = self.normalize_action(action[:, -1])
        if self.chunk_head is None:
            return self._token_loss(batch, wanted[:, 0], kind)
        distance = (self._chunk(batch) - wanted).abs()
        mask = batch.action_mask[:, -1]
        return {
            "loss": masked_mean(distance, mask),
            "l1_first": masked_mean(distance[:, 0], mask[:, 0]),
        }

    def predict(self, inputs: Inputs) -> Tensor:
        """(B, K, A) float32 in dataset units; tokens are chosen greedily."""
        if self.chunk_head is not None:
            normalized = self._chunk(inputs)
        else:
            pixels, prompts = self._seen(inputs)
            numbers = len(self.data.spaces.action)
            normalized = self.core.predict_action(pixels, prompts, numbers)[:, None]
        return self.normalize_action.undo(normalized.float())

    def _token_loss(self, batch: StudentBatch, wanted: Tensor, kind: str) -> dict[str, Tensor]:
        """Of (B, A) normalised actions."""
        tokens = self.core.tokens
        ids = tokens.encode(wanted)
        target = hard(tokens, ids)
        if kind == "teacher_kl":
            target = self._teacher(batch, target)
        logits = self.core.logits(*self._seen(batch), ids)
        actions = divergence(logits[:, :-1], target, tokens)
        end = -logits[:, -1].float().log_softmax(-1)[:, self.core.config.language.eos_token_id]
        chosen = logits[:, :-1, tokens.first : tokens.vocabulary].argmax(-1)
        distance = (tokens.decode(chosen + tokens.first) - wanted).abs()
        mask = batch.action_mask[:, -1, 0]
        return {
            "loss": masked_mean(torch.cat([actions, end[:, None]], 1), mask),
            "accuracy": masked_mean((chosen == target.argmax(-1)).float(), mask),
            "l1": masked_mean(distance, mask),
        }

    def _teacher(self, batch: StudentBatch, target: Tensor) -> Tensor:
        """(B, A, bins): the teacher's distribution in place of the target, where there is one.

        It has none for switches, and a dimension that never moves in the data has one bin.
        """
        action = self.data.spaces.action
        motions = action.motions
        edges = self.core.tokens.edges(target.device).float()[:, None].expand(-1, len(action))
        distribution = binned(
            batch.teacher_mean[:, -1, 0, :motions],
            batch.teacher_log_std[:, -1, 0, :motions],
            batch.action_scale,
            self.normalize_action.undo(edges).T[:motions],
        )
        known = batch.teacher_mask[:, -1, 0, None] & (self.normalize_action.inverse[:motions] > 0)
        motion = torch.where(known[..., None], distribution, target[:, :motions])
        return torch.cat([motion, target[:, motions:]], 1)

    def _chunk(self, inputs: Inputs) -> Tensor:
        """(B, K, A) normalised actions of the variant oft."""
        assert self.chunk_head is not None
        state = self.normalize_state(inputs.state[:, -1])
        chunk: Tensor = self.chunk_head(self.core, *self._seen(inputs), state)
        return chunk

    def _seen(self, inputs: Inputs) -> tuple[Tensor, Prompts]:
        """Pixel values (B, N, 6, S, S) of the last step's images, and the prompts."""
        prompts = self._ready()(inputs.instruction)
        images = torch.stack([inputs.images[camera][:, -1] for camera in self.config.cameras], 1)
        dtype = self.core.vision_backbone.featurizer.pos_embed.dtype
        return pixel_values(images).to(dtype), prompts.to(images.device)

    def units(self) -> list[nn.Module]:
        """The blocks of both towers, the pooling that never runs, the projector, the Llama's layers.

        Raises:
            StudentError: the weights are quantised.
        """
        if self.config.quantize:
            raise StudentError("weights of few bits are not divided: --quantize 0, or --no-shard")
        core = self.core
        towers = (core.vision_backbone.featurizer, core.vision_backbone.fused_featurizer)
        found = [block for tower in towers for block in (*tower.blocks, tower.attn_pool)]
        return [*found, core.projector, *core.language_model.model.layers]

    # --- on disk --------------------------------------------------------------------------------------------------

    def initialize(self, checkpoint: Path) -> None:
        """From an OpenVLA checkpoint, official or exported, or from a student's folder.

        Raises:
            StudentError: it is none of them, or of another size.
        """
        if (checkpoint / CARD).is_file():
            self.go_on_from(checkpoint)
            return
        self._stand_on(checkpoint)
        if self.config.lora_rank:
            self.base = checkpoint.resolve()

    def kept(self) -> dict[str, Tensor]:
        """Everything, or what stands on the base."""
        state: dict[str, Tensor] = self.state_dict()
        if self.base is None:
            return state
        trained = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name: tensor for name, tensor in state.items() if name in trained}

    def save_weights(self, folder: Path, tensors: dict[str, Tensor]) -> None:
        """Write student.safetensors, and what describes the network."""
        self._describe(folder)
        base = {} if self.base is None else {BASE: str(self.base)}
        checkpoints.write(folder / WEIGHTS, tensors, base)

    def load_weights(self, folder: Path) -> None:
        """Read what `save_weights` wrote.

        Raises:
            StudentError: a file is missing, damaged or of another network, or the base is not where it was.
        """
        path = folder / WEIGHTS
        try:
            state, said = read_weights(path)
        except WeightsError as error:
            raise StudentError(str(error)) from error
        base = said.get(BASE)
        if self.config.quantize and base is None:
            raise StudentError(
                f"{path} stands on no checkpoint, and only one's weights are quantised"
            )
        if base is not None and Path(base) != self.base:
            self._stand_on(Path(base))
            self.base = Path(base)
        elif self.prompts is None:
            self._describe_from(folder)
        try:
            check_fit(state, self.kept(), path)
        except WeightsError as error:
            raise StudentError(str(error)) from error
        self.load_state_dict(state, strict=False, assign=self.device.type == "meta")

    def export(self, folder: Path) -> None:
        """Write the network as a checkpoint: adapters merged, tensors under OpenVLA's names. OFT's head is not in it.

        The student stands on its own afterwards, without adapters.

        Raises:
            StudentError: its weights are quantised.
        """
        if self.config.quantize:
            raise StudentError(
                "quantised weights are not exported: load the student with quantize 0"
            )
        if isinstance(self.vla, PeftModel):
            self.vla = lora.merge(self.vla)
            self.config.lora_rank, self.base = 0, None
        folder.mkdir(parents=True, exist_ok=True)
        self._describe(folder)
        checkpoints.save(self.core, folder)

    def _take(self, model: OpenVLA) -> None:
        """Makes a network this student's, with fresh adapters where the configuration wants them."""
        self.vla = model
        if self.config.lora_rank:
            settings = lora.LoraSettings(
                self.config.lora_rank, self.config.lora_alpha, output=self.config.lora_output
            )
            self.vla = lora.add(model, settings)

    def _stand_on(self, folder: Path) -> None:
        """Takes network, tokenizer and weights of a checkpoint."""
        network = read(folder)
        if network.image_size != SIZES[self.config.size].image_size:
            raise StudentError(f"{folder} is no openvla of size {self.config.size}")
        sizes = [self.data.cameras[camera] for camera in self.config.cameras]
        if network.image_resize_strategy == "letterbox" and any(h != w for h, w in sizes):
            raise StudentError(
                f"{folder} sees images padded to squares, the data's are {sizes}: make them squares first"
            )
        self.prompts = PromptTokenizer.load(folder, network)
        model = checkpoints.load(folder, network)
        if self.config.quantize:
            quantization.quantize(model, self.config.quantize)
        self._take(model)

    def _describe(self, folder: Path) -> None:
        """Writes the network's sizes and its tokenizer."""
        write(self.core.config, folder)
        self._ready().save(folder)

    def _describe_from(self, folder: Path) -> None:
        """Takes what `_describe` wrote; the weights have no memory yet."""
        network = read(folder)
        self.prompts = PromptTokenizer.load(folder, network)
        with torch.device("meta"):
            self._take(OpenVLA(network))

    def _ready(self) -> PromptTokenizer:
        if self.prompts is None:
            raise StudentError("this openvla has no weights: initialise it from a checkpoint")
        return self.prompts


STUDENT = OpenVLAStudent
