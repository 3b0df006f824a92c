# SPDX-License-Identifier: Apache-2.0
"""What the drivers of arms share: the set-up, what is measured, what silence of targets does."""
