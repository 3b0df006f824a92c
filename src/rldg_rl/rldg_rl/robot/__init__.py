# SPDX-License-Identifier: Apache-2.0
"""The robot as a specialist has it: what is measured, and how it is reached, over topics or in this process."""
