# SPDX-License-Identifier: Apache-2.0
"""What an experiment claims, as its YAML says: one arm is better than another, or an arm keeps to a bound."""

from __future__ import annotations

from dataclasses import dataclass

from rldg_experiments.metric import METRICS, Metric


@dataclass(frozen=True)
class ClaimSettings:
    """One entry of `claims`. It has either `better` and `than`, or `of` with `at_least` or `at_most`."""

    on: str
    """seen, unseen, a family, family/seen, family/unseen, or a task: where it should hold"""
    of_what: str = "success"
    """one of `METRICS`"""
    better: str = ""
    """the arm that should be better: see `claims.ArmName`"""
    than: str = ""
    """the other arm"""
    by: float = 0.0
    """how much better at least, in the metric's unit; success: a share"""
    of: str = ""
    """the arm that keeps to a bound"""
    at_least: float | None = None
    """the bound; with `relative_to` a multiple of that arm's value"""
    at_most: float | None = None
    """the same from above"""
    relative_to: str = ""
    """the arm whose value the bound multiplies; empty: the bound is the value itself"""

    @property
    def metric(self) -> Metric:
        """What it is about."""
        return METRICS[self.of_what]

    @property
    def first(self) -> str:
        """The arm that it is about."""
        return self.better or self.of

    @property
    def second(self) -> str:
        """The arm beside which it is held; empty: none."""
        return self.than or self.relative_to

    @property
    def bound(self) -> float | None:
        """Of `at_least` and `at_most` the one that is given."""
        return self.at_most if self.at_least is None else self.at_least

    def __str__(self) -> str:
        """As a person would type it."""
        given = {name: value for name, value in vars(self).items() if value not in ("", None)}
        if not self.by:
            del given["by"]
        if self.of_what == "success":
            del given["of_what"]
        on = given.pop("on")
        return ", ".join(f"{name}: {value}" for name, value in (given | {"on": on}).items())


def check_claim(claim: ClaimSettings) -> None:
    """Whether the entries go together.

    Raises:
        ValueError: they do not.
    """
    if claim.of_what not in METRICS:
        raise ValueError(f"of_what: '{claim.of_what}' is none of {', '.join(METRICS)}")
    if bool(claim.better) == bool(claim.of):
        raise ValueError("give either better and than, or of with at_least or at_most")
    if claim.better:
        _check_better(claim)
    else:
        _check_bound(claim)


def _check_better(claim: ClaimSettings) -> None:
    if not claim.than:
        raise ValueError(f"better: {claim.better}: than which arm? Give than")
    if claim.bound is not None or claim.relative_to:
        raise ValueError("at_least, at_most and relative_to go with of, not with better")
    if claim.by < 0:
        raise ValueError(f"by: must be 0 or more, and is {claim.by}")


def _check_bound(claim: ClaimSettings) -> None:
    if (claim.at_least is None) == (claim.at_most is None):
        raise ValueError(f"of: {claim.of}: give one of at_least and at_most")
    if claim.than or claim.by:
        raise ValueError("than and by go with better, not with of")
    assert claim.bound is not None
    if claim.bound < 0:
        raise ValueError(f"the bound must be 0 or more, and is {claim.bound}")
    if claim.metric.is_rate and not claim.relative_to and claim.bound > 1:
        raise ValueError(
            f"{claim.of_what} is a share: the bound must be 1 at most, and is {claim.bound}"
        )
