# SPDX-License-Identifier: Apache-2.0
"""Messages whose type a bag defines differently from today."""

from __future__ import annotations

from typing import Any

import pytest
from rosbags.typesys import get_types_from_msg
from rosbags.typesys.store import Typestore

from rldg_core.bags.earlier_messages import DEFAULTS, DamagedMessage, EarlierForm, earlier_form

KIND = "rldg_msgs/msg/TaskState"
PAIR = "=" * 80 + "\nMSG: test_msgs/Pair\n"
TODAY = "string name\nfloat64 gripper\ntest_msgs/Pair[] objects\n" + PAIR + "int32 a\nint32 b\n"
OLDER = "string name\n"


def types(text: str) -> Typestore:
    store = Typestore()
    store.register(get_types_from_msg(text, KIND))
    return store


def form(text: str) -> EarlierForm:
    found = earlier_form(types(TODAY), KIND, text)
    assert found is not None
    return found


def sent(text: str, **values: Any) -> bytes:
    store = types(text)
    return bytes(store.serialize_cdr(store.types[KIND](**values), KIND))


def received(text: str, cdr: bytes) -> Any:
    return types(TODAY).deserialize_cdr(form(text)(cdr), KIND)


def test_a_field_that_is_missing_has_its_default() -> None:
    message = received(OLDER, sent(OLDER, name="x"))
    assert (message.name, message.gripper, message.objects) == ("x", 0.0, [])


def test_a_field_that_is_unknown_is_left_out_also_of_types_inside() -> None:
    text = TODAY.replace("int32 b", "int32 b\nstring c") + "\n"
    text = text.replace("float64", "string later\nfloat64")
    store = types(text)
    pair = store.types["test_msgs/msg/Pair"](a=1, b=2, c="3")
    message = received(text, sent(text, name="x", later="?", gripper=-1.0, objects=[pair, pair]))
    assert (message.name, message.gripper) == ("x", -1.0)
    assert [(pair.a, pair.b) for pair in message.objects] == [(1, 2), (1, 2)]


def test_fields_in_another_order_are_found_by_name() -> None:
    text = "float64 gripper\nstring name\n"
    message = received(text, sent(text, name="x", gripper=1.0))
    assert (message.name, message.gripper) == ("x", 1.0)


def test_a_field_of_another_type_is_refused() -> None:
    text = TODAY.replace("float64 gripper", "string gripper")
    with pytest.raises(DamagedMessage, match="gripper is of another type in this bag"):
        form(text)(sent(text, name="x", gripper="open", objects=[]))


def test_a_field_without_a_default_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(DEFAULTS[KIND], "objects")
    with pytest.raises(DamagedMessage, match="lacks the field objects"):
        form(OLDER)(sent(OLDER, name="x"))


def test_bytes_that_are_no_message_are_refused() -> None:
    with pytest.raises(DamagedMessage, match="TaskState"):
        form(OLDER)(sent(OLDER, name="x")[:7])


@pytest.mark.parametrize(
    "text",
    [
        TODAY,
        "# a comment\nuint8 CONSTANT=1\n" + TODAY.replace("string name", "string name  # whose"),
        "",
        "?!",
        "string name\n" * 10_000,
    ],
)
def test_a_definition_that_agrees_or_says_nothing_changes_nothing(text: str) -> None:
    assert earlier_form(types(TODAY), KIND, text) is None


def test_a_definition_that_lacks_a_part_is_refused() -> None:
    with pytest.raises(DamagedMessage):
        form("string name\ntest_msgs/Pair pair\n")(sent(OLDER, name="x"))


def test_a_type_in_itself_is_refused() -> None:
    text = f"string name\n{KIND.replace('/msg', '')} inside\n"
    with pytest.raises(DamagedMessage):
        form(text)(sent(OLDER, name="x"))


def test_types_that_are_not_installed_stay_as_they_are() -> None:
    assert earlier_form(types(TODAY), "other_msgs/msg/Thing", "string name\n") is None
