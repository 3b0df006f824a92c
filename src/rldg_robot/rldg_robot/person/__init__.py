# SPDX-License-Identifier: Apache-2.0
"""A person played: what they see, want and push."""
