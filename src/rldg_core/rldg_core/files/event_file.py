# SPDX-License-Identifier: Apache-2.0
"""The file that TensorBoard draws a run from: written as by its own writer, whose import takes half a second."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_SCALAR, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT

from rldg_core.files.record_crc import masked_crc

_SCALAR = SummaryMetadata(
    plugin_data=SummaryMetadata.PluginData(plugin_name="scalars"), data_class=DATA_CLASS_SCALAR
)
_numbers = itertools.count()


class EventFile:
    """Scalars over steps; each is in the file when `add_scalar` returns."""

    def __init__(self, folder: Path) -> None:
        """Begin a new file in a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
        self._file = (folder / f"events.out.tfevents.{name}").open("wb", buffering=0)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        """One point of the curve `tag`; it is kept as float32."""
        tensor = TensorProto(dtype=DT_FLOAT, tensor_shape={}, float_val=[value])
        point = Summary.Value(tag=tag, tensor=tensor, metadata=_SCALAR)
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=[point])))

    def close(self) -> None:
        """Nothing is added any more."""
        self._file.close()

    def _write(self, event: Event) -> None:
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(length + _checksum(length) + data + _checksum(data))


def _checksum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc(data))
