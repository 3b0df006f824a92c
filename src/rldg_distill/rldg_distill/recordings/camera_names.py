# SPDX-License-Identifier: Apache-2.0
"""What the cameras of a bag are called in a dataset."""

from __future__ import annotations

from rldg_core.contract import WRIST_IMAGE

POLICY_CAMERA = "image"
"""feature of the camera that the policy saw, by whose stamps the steps name their images"""
NO_CAMERA = "none"
"""in place of a feature: a dataset without images"""
ONLY_POLICY_CAMERA = f"--camera {POLICY_CAMERA}"


def camera_names(topics: set[str]) -> dict[str, str]:
    """Feature of every image topic: `image` for the policy's camera, the others keep their names.

    `front_camera/color/image_raw` becomes `front_camera`; where two topics share their first part, the whole topic
    with underscores.
    """
    others = sorted(topics - {WRIST_IMAGE.name})
    first = [topic.split("/")[0] for topic in others]
    names = {WRIST_IMAGE.name: POLICY_CAMERA}
    for topic, name in zip(others, first, strict=True):
        unique = first.count(name) == 1 and name not in (
            POLICY_CAMERA,
            WRIST_IMAGE.name.split("/")[0],
            "state",
        )
        names[topic] = name if unique else topic.replace("/", "_")
    return names


def way_out(camera: str) -> str:
    """What helps against the trouble with a camera: all but the policy's can be left out."""
    return "" if camera == POLICY_CAMERA else f". Without that camera: {ONLY_POLICY_CAMERA}"
