# SPDX-License-Identifier: Apache-2.0
"""The wrist camera: a driver's pictures, or the camera's own, cropped, small and watched."""
