# SPDX-License-Identifier: Apache-2.0
"""Octo 1.5 (Octo Model Team 2024, arXiv:2405.12213): a transformer over image and language tokens, a diffusion head."""
