# SPDX-License-Identifier: Apache-2.0
"""Where an episode comes from: embodiment, region and domain, as messages, summaries and datasets name them.

The embodiment is the robot's, the region the task's. The domain of a real set-up is the name in its site file. That of
a simulated one, be it the twin or the simulator of an arm, is `sim`, followed by what its world differs in:
`sim+randomized` where every episode looks different, `sim+camera:5mm+latency:100ms` under that perturbation.
"""

from __future__ import annotations

from rldg_core.perturbation import NOMINAL, Perturbation
from rldg_core.site_file import SIMULATED, site

FACTS = ("embodiment", "region", "domain")
"""fields of rldg_msgs/Episode, of summaries and of a dataset's `episode_metadata`"""
RANDOMIZED = "randomized"
BETWEEN = "+"


def domain_of(real: bool, randomize: bool = False, perturbation: Perturbation = NOMINAL) -> str:
    """Name of the domain that this process acts in.

    Args:
        real: whether the robot is a real arm.
        randomize: whether a simulated world looks different in every episode.
        perturbation: how far it is off.

    Raises:
        UserError: the site file cannot be read.
    """
    if real:
        return site().name
    parts = [SIMULATED, *[RANDOMIZED] * randomize, *filter(None, str(perturbation).split(","))]
    return BETWEEN.join(parts)
