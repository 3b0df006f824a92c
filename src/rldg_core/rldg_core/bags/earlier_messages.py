# SPDX-License-Identifier: Apache-2.0
"""Messages of bags in which a type was defined differently from today, in the form of today's definition.

A bag carries the definition of each of its types, and its messages are decoded by that. A field that today's definition
has and the bag's lacks gets the value in `DEFAULTS`; one that today's lacks is left out. A field that has the same name
and another type cannot be read. Where the two agree, bytes stay as they are, at no cost.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.interfaces.typing import Typesdict
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError, get_types_from_msg
from rosbags.typesys.store import Typestore

MAX_DEFINITION = 1 << 16
"""[characters] of a definition that is parsed; sensor_msgs/Image with all of its comments has 3000"""
DAMAGE = (SerdeError, struct.error, LookupError, ValueError, MemoryError, RecursionError)
"""what bytes raise that are no message of their type"""

DEFAULTS: dict[str, dict[str, Any]] = {
    "rldg_msgs/msg/SafetyState": {
        "task": "",  # a stack had one task, and its gate did not name it
        "reason_code": 0,  # REASON_NONE: the reason is in words alone
    },
    "rldg_msgs/msg/TaskState": {
        "gripper": 0.0,  # stay as they are: every task kept the gripper closed
        "objects": [],  # "may be empty": nothing tells where things were
    },
}
"""by type: the value of a field in messages that are older than the field"""


class DamagedMessage(ValueError):
    """Bytes that are no message of their type."""


@dataclass(frozen=True)
class EarlierForm:
    """Turns messages of one type from a bag's definition into the installed one's."""

    type: str
    carried: Typestore
    """the types as the bag defines them"""
    installed: Typestore

    def __call__(self, cdr: bytes) -> bytes:
        """A serialised message in the installed form.

        Raises:
            DamagedMessage: it is none, or a field of it has another type today, or has no default.
        """
        try:
            message = self.carried.deserialize_cdr(cdr, self.type)
            return bytes(self.installed.serialize_cdr(self._filled(self.type, message), self.type))
        except DamagedMessage:
            raise
        except DAMAGE as error:
            raise DamagedMessage(f"{self.type}: {error}") from error

    def _filled(self, kind: str, message: Any) -> Any:
        """A message of the installed class with everything that the bag's has, and defaults."""
        there = dict(self.carried.fielddefs[kind][1])
        values = {}
        for name, node in self.installed.fielddefs[kind][1]:
            if name not in there:
                values[name] = _default(kind, name)
            elif there[name] == node:
                values[name] = self._value(node, getattr(message, name))
            else:
                raise DamagedMessage(f"{kind}: {name} is of another type in this bag than today")
        return self.installed.types[kind](**values)

    def _value(self, node: Any, value: Any) -> Any:
        kind, detail = node
        if kind == Nodetype.NAME:
            return self._filled(detail, value)
        if kind in (Nodetype.ARRAY, Nodetype.SEQUENCE) and detail[0][0] == Nodetype.NAME:
            return [self._filled(detail[0][1], item) for item in value]
        return value


def earlier_form(installed: Typestore, kind: str, definition: str) -> EarlierForm | None:
    """How to read messages of a type in a bag that carries a definition of it.

    Args:
        installed: today's types.
        kind: name of the type.
        definition: its text and that of every type in it, as bags carry them (`ros2msg`).

    Returns:
        None where messages can be taken as they are: the two definitions agree, today's installation lacks the type, or
        the bag has no definition that can be parsed.
    """
    known = installed.fielddefs
    if kind not in known or not 0 < len(definition) <= MAX_DEFINITION:
        return None
    if definition == installed.generate_msgdef(kind, ros_version=2)[0]:
        return None  # as our recorder writes it: parsing is ten times slower
    try:
        parsed = get_types_from_msg(definition, kind)
        types: Typesdict = {
            name: ([], [(field.lower(), node) for field, node in fields])  # ROS 1 had capitals
            for name, (_, fields) in parsed.items()
        }
        if all(name in known and list(known[name][1]) == types[name][1] for name in types):
            return None
        carried = Typestore()
        carried.register(types)
    except (TypesysError, RecursionError):
        return None
    return EarlierForm(kind, carried, installed)


def _default(kind: str, name: str) -> Any:
    try:
        return DEFAULTS[kind][name]
    except KeyError:
        raise DamagedMessage(
            f"{kind}: this bag lacks the field {name}, for which there is no default"
        ) from None
