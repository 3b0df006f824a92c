# SPDX-License-Identifier: Apache-2.0
"""What a specialist sees of the wrist image, and how it learns to see."""
