# SPDX-License-Identifier: Apache-2.0
"""What a person's hand moves: SpaceMouse, gamepad, keys."""
