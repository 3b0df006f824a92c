# SPDX-License-Identifier: Apache-2.0
"""What an experiment compares, as its YAML says: a shipped one by name, or anybody's own by path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rldg_core.commands.argument_types import LARGEST, LARGEST_SEED
from rldg_core.files.checked_file import FormatError, read_yaml, typed
from rldg_core.files.safe_name import check_name, is_too_long
from rldg_core.perturbation import read_perturbation
from rldg_core.task import UnknownTask, load_task
from rldg_core.user_error import UserError
from rldg_experiments.claim_settings import ClaimSettings, check_claim

EXPERIMENTS = Path(__file__).parent / "experiments"
BUDGETS = ("cpu", "gpu")
OPERATOR, SPECIALISTS = TEACHERS = ("operator", "specialist")
MOST_SEEDS = 1000
MOST_ROUNDS = 100
MOVED = {
    "sources": "say `data: {human: {of: operator, episodes: 150}, ...}`, see docs/how-to/experiments.md",
    "episodes": "say how many in each entry of `data`",
    "specialist.seed": "say `seeds`, which is of everything that learns or gathers",
}
"""entries of YAMLs of before, and what says the same now"""
FIGURES = ("success", "scaling", "cycle_time", "actions")


class ExperimentError(UserError):
    """A person has to change something; the message says what."""


@dataclass(frozen=True)
class Variants:
    """Which tasks of a family play which part."""

    train: tuple[str, ...]
    """variants that specialists learn and data comes from"""
    seen: tuple[str, ...] = ()
    """of these, the ones that policies are judged on; empty: all"""
    unseen: tuple[str, ...] = ()
    """others that policies are judged on"""

    def judged(self, where: str) -> tuple[str, ...]:
        """Variants that are `seen` or `unseen`."""
        return self.unseen if where == "unseen" else self.seen or self.train


@dataclass(frozen=True)
class SpecialistSettings:
    """Arguments of `train_rl`."""

    demos: int = 20
    steps: int = 0
    """0: as many as each task's YAML says"""


@dataclass(frozen=True)
class DataSettings:
    """Arguments of `collect`, `relabel` and `convert`."""

    of: str
    """who acts: of `TEACHERS`"""
    episodes: tuple[int, ...]
    """successful ones that a student learns from; one student each. Smaller datasets are parts of the largest"""
    relabel: bool = False
    """whether the specialists' actions take the place of the operator's"""
    where: str = ""
    """as in --where of `convert`: which of the episodes are learned from"""

    @property
    def needs_specialists(self) -> bool:
        """Whether specialists act or relabel."""
        return self.of == SPECIALISTS or self.relabel


@dataclass(frozen=True)
class StudentSettings:
    """Arguments of `distill`."""

    student: str
    """as in --student"""
    options: dict[str, Any] = field(default_factory=dict)
    """`name: value` becomes `--name value`; true and false become `--name` and `--no-name`"""
    data: tuple[str, ...] = ()
    """names of the data that it learns from, one student each; empty: all"""
    rounds: int = 0
    """in which it acts, the specialists label the states that it came to, and it goes on with their labels"""
    round_episodes: int = 50
    """of its own in every round, whatever their outcome, over all tasks together"""


@dataclass(frozen=True)
class EvaluationSettings:
    """Arguments of `evaluate`."""

    episodes: int
    """of every policy on every task"""
    seed: int = 0
    """the same starts for every policy"""
    specialists: tuple[str, ...] = ("seen",)
    """where specialists are judged: seen (each on its own task), unseen (each on all of them)"""
    perturb: str = ""
    """how the world is off, as in perturb:= of `evaluate`"""
    transport: str = "direct"
    """direct or ros"""


@dataclass(frozen=True)
class Experiment:
    """One comparison."""

    name: str
    budget: str
    """cpu or gpu"""
    description: str
    """what it asks, in a sentence"""
    tasks: dict[str, Variants]
    """by family; every family has its own data and students"""
    specialist: SpecialistSettings
    data: dict[str, DataSettings]
    """what students learn from, by the name that claims and the report give it"""
    students: dict[str, StudentSettings]
    """by the name that the report gives them"""
    evaluation: EvaluationSettings
    figures: tuple[str, ...]
    """of `FIGURES`"""
    seeds: tuple[int, ...] = (0,)
    """everything that learns or gathers is done once with each; what has the same seed belongs together"""
    claims: tuple[ClaimSettings, ...] = ()
    """what should hold"""

    def data_of(self, student: StudentSettings) -> tuple[str, ...]:
        """Names of the data that a student learns from."""
        return student.data or tuple(self.data)

    @property
    def policies(self) -> list[str]:
        """What the report calls the students that are judged: every one, and the same after each of its rounds."""
        return [
            round_name(called, number)
            for called, settings in self.students.items()
            for number in range(settings.rounds + 1)
        ]


def round_name(called: str, number: int) -> str:
    """What the report calls a student after a round: `cnn_round1`; before the first, `cnn`."""
    return f"{called}_round{number}" if number else called


def shipped() -> dict[str, str]:
    """Description of every experiment that comes with the package, by name."""
    return {path.stem: _merged(path)["description"] for path in sorted(EXPERIMENTS.glob("*.yaml"))}


def load(name: str, budget: str = "cpu") -> Experiment:
    """Read an experiment.

    Args:
        name: of a shipped one, or the path of a YAML.
        budget: one of `BUDGETS`; what the YAML says under it goes over the rest.

    Raises:
        ExperimentError: there is none, or its YAML cannot be understood.
    """
    path = _find(name, Path())
    settings = _merged(path)
    try:
        budgets = _budgets(settings.pop("budgets", {}))
        settings = _without_nulls(_overlay(settings, budgets.get(budget, {})))
        settings |= {"name": path.stem, "budget": budget}
        settings = _in_full(settings)
        experiment = typed(settings, Experiment, str(path), strict=True)
        _check(experiment)
    except FormatError as error:
        raise ExperimentError(str(error)) from error
    except (UserError, TypeError, ValueError) as error:
        raise ExperimentError(f"{path}: {error}") from error
    return experiment


def _find(name: str, folder: Path) -> Path:
    """The YAML of an experiment; its path, where one is given, is relative to the folder."""
    for path in (EXPERIMENTS / f"{name}.yaml", folder / name):
        if not is_too_long(str(path)) and path.is_file():
            return path
    names = ", ".join(sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")))
    raise ExperimentError(
        f"no experiment '{name[:100]}': give one of {names}, or the path of a YAML"
    )


def _merged(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """What a YAML says, over what its `base` says; `above` are those that it is the base of."""
    if path.resolve() in above:
        raise ExperimentError(f"{path}: is its own base: name another one")
    try:
        settings = read_yaml(path, dict[str, Any], fix="It is not a list of `name: value`")
    except OSError as error:
        raise ExperimentError(f"{path}: {error}") from error
    except FormatError as error:
        raise ExperimentError(str(error)) from error
    base = settings.pop("base", None)
    if base is None:
        return settings
    below = _merged(_find(str(base), path.parent), (*above, path.resolve()))
    return _overlay(below, settings)


def _budgets(said: Any) -> Mapping[str, Mapping[str, Any]]:
    """The entry `budgets`, if it can be one; also of the budget that is not asked for now."""
    if not isinstance(said, dict):
        raise ValueError(
            f"budgets: is no list of what goes over the rest under {' or '.join(BUDGETS)}"
        )
    given = {budget: settings for budget, settings in said.items() if settings is not None}
    _known("budgets", given, BUDGETS)
    entries = tuple(f.name for f in fields(Experiment) if f.name not in ("name", "budget"))
    for budget, settings in given.items():
        if not isinstance(settings, dict):
            raise ValueError(f"budgets.{budget}: is no list of `name: value`")
        _known(f"budgets.{budget}", settings, entries)
    return given


def _overlay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, name by name at every depth."""
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = _overlay(result[name], value)
        else:
            result[name] = value
    return result


def _in_full(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every shorthand written out: `seeds: 3`, `episodes: 150`, and `on`, which is true to YAML 1.1.

    Raises:
        ValueError: an entry is called otherwise now.
    """
    for old, new in MOVED.items():
        if _has(settings, old):
            raise ValueError(f"{old}: {new}")
    result = dict(settings)
    seeds, data, claims = (result.get(name) for name in ("seeds", "data", "claims"))
    if type(seeds) is int and seeds <= MOST_SEEDS:
        result["seeds"] = list(range(seeds))
    if isinstance(data, dict):
        result["data"] = {name: _with_list(entry) for name, entry in data.items()}
    if isinstance(claims, list):
        result["claims"] = [_with_on(claim) for claim in claims]
    return result


def _has(settings: Mapping[str, Any], name: str) -> bool:
    first, _, rest = name.partition(".")
    below = settings.get(first)
    return first in settings if not rest else isinstance(below, dict) and rest in below


def _with_list(data: Any) -> Any:
    if isinstance(data, dict) and type(data.get("episodes")) is int:
        return data | {"episodes": [data["episodes"]]}
    return data


def _with_on(claim: Any) -> Any:
    if not isinstance(claim, dict):
        return claim
    return {("on" if name is True else name): value for name, value in claim.items()}


def _without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The same without the names that null takes away."""
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in settings.items()
        if value is not None
    }


def _check(experiment: Experiment) -> None:
    """Whether everything that is named exists.

    Raises:
        ValueError: something does not.
    """
    check_name(experiment.name, "the name of an experiment, which is its file's,")
    _known("figures", experiment.figures, FIGURES)
    _known("evaluation.transport", (experiment.evaluation.transport,), ("direct", "ros"))
    read_perturbation(experiment.evaluation.perturb)
    _known("evaluation.specialists", experiment.evaluation.specialists, ("seen", "unseen"))
    _check_numbers(experiment)
    if not experiment.tasks:
        raise ValueError("tasks: names none")
    for family, variants in experiment.tasks.items():
        if not variants.train:
            raise ValueError(f"tasks.{family}.train: names no variant that specialists learn")
        _known(f"tasks.{family}.seen", variants.seen, variants.train)
        _once(f"tasks.{family}.train and .unseen", (*variants.train, *variants.unseen))
        for variant in (*variants.train, *variants.unseen):
            _exists(f"{family}/{variant}")
    for name, data in experiment.data.items():
        _check_data(experiment, name, data)
    for called, settings in experiment.students.items():
        _known(f"students.{called[:40]}.data", settings.data, tuple(experiment.data))
        check_name(called, f"students.{called[:40]}: the name becomes a folder's, and")
        _understood(called, settings)
        _check_rounds(called, settings, experiment)
    _once("students", experiment.policies)
    for number, claim in enumerate(experiment.claims, 1):
        try:
            check_claim(claim)
        except ValueError as error:
            raise ValueError(f"claims, number {number}: {error}") from error


def _check_data(experiment: Experiment, name: str, data: DataSettings) -> None:
    where = f"data.{name[:40]}"
    check_name(name, f"{where}: the name stands in claims, and")
    if name.isdecimal() or name in experiment.students or name == SPECIALISTS:
        raise ValueError(
            f"{where}: claims tell data from students and numbers by name: call it otherwise"
        )
    _known(f"{where}.of", (data.of,), TEACHERS)
    if data.relabel and data.of != OPERATOR:
        raise ValueError(
            f"{where}.relabel: the specialists acted themselves; it goes with of: {OPERATOR}"
        )
    if not data.episodes:
        raise ValueError(f"{where}.episodes: names no number")
    for number in data.episodes:
        _in_range(f"{where}.episodes", number, 0, LARGEST)
    _once(f"{where}.episodes", data.episodes)
    tasks = max(len(variants.train) for variants in experiment.tasks.values())
    if min(data.episodes) < 2 * tasks:
        raise ValueError(
            f"{where}.episodes: {list(data.episodes)} must be two or more for every task of a family: one learns, "
            "one is held out"
        )


def _check_rounds(called: str, settings: StudentSettings, experiment: Experiment) -> None:
    """Whether a student can go through its rounds."""
    where = f"students.{called}"
    _in_range(f"{where}.rounds", settings.rounds, 0, MOST_ROUNDS)
    if not settings.rounds:
        return
    for name in sorted({"init", "weights"} & settings.options.keys()):
        raise ValueError(f"{where}.options.{name}: every round has its own: take it or rounds away")
    tasks = max(len(variants.train) for variants in experiment.tasks.values())
    _in_range(f"{where}.round_episodes", settings.round_episodes, 2 * tasks, LARGEST)
    for family, variants in experiment.tasks.items():
        if load_task(f"{family}/{variants.train[0]}").handover:
            raise ValueError(
                f"{where}.rounds: a specialist of {family} knows nothing of the steps before the "
                "hand-over, where the student acts too: take rounds away"
            )


def _check_numbers(experiment: Experiment) -> None:
    specialist, evaluation = experiment.specialist, experiment.evaluation
    for what, number, least, most in (
        ("specialist.demos", specialist.demos, 0, LARGEST),
        ("specialist.steps", specialist.steps, 0, LARGEST),
        ("evaluation.episodes", evaluation.episodes, 1, LARGEST),
        ("evaluation.seed", evaluation.seed, 0, LARGEST_SEED),
        *(("seeds", seed, 0, LARGEST_SEED) for seed in experiment.seeds),
    ):
        _in_range(what, number, least, most)
    if not experiment.seeds:
        raise ValueError("seeds: names none: give a number of 1 or more, or a list")
    _once("seeds", experiment.seeds)


def _in_range(what: str, number: int, least: int, most: int) -> None:
    if number < least:
        raise ValueError(f"{what}: must be {least} or more, and is {number}")
    if number > most:
        raise ValueError(f"{what}: must be {most} at most, and is {number}")


def _once(what: str, values: Sequence[object]) -> None:
    if twice := [value for value in values if values.count(value) > 1]:
        raise ValueError(f"{what}: names {twice[0]} twice, and once is enough")


def _understood(called: str, settings: StudentSettings) -> None:
    from rldg_experiments.student_options import check_student_options  # noqa: PLC0415 - its torch would slow --help and --list

    if "seed" in settings.options:
        raise ValueError(f"students.{called}: the seed is one of the experiment's: give `seeds`")
    try:
        check_student_options(settings.student, settings.options)
    except ValueError as error:
        raise ValueError(f"students.{called}: {error}") from error


def _known(what: str, names: Iterable[str], valid: tuple[str, ...]) -> None:
    names = tuple(names)
    _once(what, names)
    for name in names:
        if name not in valid:
            raise ValueError(f"{what}: '{name}' is none of {', '.join(valid)}")


def _exists(task: str) -> None:
    try:
        load_task(task)
    except UnknownTask as error:
        raise ValueError(str(error)) from error
