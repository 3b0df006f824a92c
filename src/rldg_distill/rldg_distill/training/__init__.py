# SPDX-License-Identifier: Apache-2.0
"""How a student learns from datasets."""
