# SPDX-License-Identifier: Apache-2.0
"""Who says that a task is done: a person, or a network that learned it from one."""
