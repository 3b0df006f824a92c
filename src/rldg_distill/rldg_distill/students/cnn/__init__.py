# SPDX-License-Identifier: Apache-2.0
"""The simplest student: a few convolutions and a Gaussian."""
