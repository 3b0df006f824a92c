# SPDX-License-Identifier: Apache-2.0
"""Messages as bytes without rclpy: what a bag holds of a message that was never sent."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype

from rldg_core.bags.bag_reader import typestore
from rldg_core.contract import Topic

Converter = Callable[[Any], Any]


def encode(topic: Topic, message: Any) -> bytes:
    """CDR of a message of a topic, whose fields are as rclpy's classes hold them."""
    plain = _message(topic.type)(message)
    return bytes(typestore().serialize_cdr(plain, topic.type))


@cache
def _message(kind: str) -> Converter:
    """From a message to one as rosbags serialises it: its arrays of numbers are numpy's."""
    store = typestore()
    made = store.types[kind]
    _, definitions = store.fielddefs[kind]
    fields = [(name, _value(definition)) for name, definition in definitions]

    def convert(message: Any) -> Any:
        return made(**{name: of(getattr(message, name)) for name, of in fields})

    return convert


def _value(definition: Any) -> Converter:
    """What becomes of a field's value."""
    node, inner = definition
    if node == Nodetype.BASE:
        return _same
    if node == Nodetype.NAME:
        return _message(inner)
    (kind, of), _ = inner
    if kind == Nodetype.BASE and of[0] == "string":
        return list
    if kind == Nodetype.BASE:
        number = np.dtype(of[0])
        return lambda values: np.asarray(values, number)
    each = _message(of)
    return lambda values: [each(value) for value in values]


def _same(value: Any) -> Any:
    return value
