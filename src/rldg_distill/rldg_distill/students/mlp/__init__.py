# SPDX-License-Identifier: Apache-2.0
"""The student without a camera: three hidden layers and a Gaussian."""
