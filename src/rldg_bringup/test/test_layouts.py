# SPDX-License-Identifier: Apache-2.0
"""The layouts of RViz and Foxglove show topics and fields that bags have, and a playback publishes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from rldg_core.bags.bag_reader import typestore
from rldg_core.contract import MARKERS, RECORDED

PACKAGE = Path(__file__).parents[1]
TOPICS = {f"/{topic.name}": topic for topic in (*RECORDED, MARKERS)}
RVIZ_TYPES = {
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
}


def rviz_displays() -> list[dict[str, Any]]:
    config = yaml.safe_load((PACKAGE / "rviz/rldg.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    return [display for display in displays if "Topic" in display]


@pytest.mark.parametrize("display", rviz_displays(), ids=lambda display: display["Name"])
def test_rviz_listens_to_what_is_played(display: dict[str, Any]) -> None:
    topic = TOPICS[display["Topic"]["Value"]]

    assert topic.type == RVIZ_TYPES[display["Class"]]
    assert topic.reliable or display["Topic"]["Reliability Policy"] == "Best Effort"


def foxglove() -> dict[str, Any]:
    return dict(json.loads((PACKAGE / "config/foxglove.json").read_text()))


def foxglove_paths() -> list[str]:
    """`/topic` and `/topic.field.field` of every panel."""
    paths = []
    for panel in foxglove()["configById"].values():
        paths += [path["value"] for path in panel.get("paths", [])]
        if "imageMode" in panel:
            paths.append(panel["imageMode"]["imageTopic"])
        paths += [name for name in panel.get("topics", ()) if name != "/robot_description"]
    return paths


@pytest.mark.parametrize("path", foxglove_paths())
def test_foxglove_shows_fields_that_are_recorded(path: str) -> None:
    name, *fields = path.split(".")
    kind = TOPICS[name].type
    for field in fields:
        definition = dict(typestore().fielddefs[kind][1])
        kind = definition[field][1]


def test_foxglove_lays_out_every_panel_that_is_set_up() -> None:
    def panels(node: Any) -> set[str]:
        return {node} if isinstance(node, str) else panels(node["first"]) | panels(node["second"])

    layout = foxglove()
    assert panels(layout["layout"]) == set(layout["configById"])
    # Another kind of panel would name its topics elsewhere, and go unchecked above.
    assert {panel.split("!")[0] for panel in layout["configById"]} == {
        *("3D", "Image", "Plot", "StateTransitions")
    }
