# SPDX-License-Identifier: Apache-2.0
"""OpenVLA (Kim et al. 2024, arXiv 2406.09246) and its OFT variant (Kim et al. 2025, arXiv 2502.19645)."""
