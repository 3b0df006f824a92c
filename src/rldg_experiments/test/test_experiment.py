# SPDX-License-Identifier: Apache-2.0
"""Experiments: what their YAMLs mean, and which commands come of them."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from planned import accept, every_stage, own

from rldg_core.task import load_task
from rldg_experiments import stages
from rldg_experiments.command_line import main
from rldg_experiments.evaluation import EpisodeOutcome
from rldg_experiments.experiment import BUDGETS, ExperimentError, load, shipped
from rldg_experiments.plan import ExperimentPlan, make_experiment_plan
from rldg_experiments.results import gather
from rldg_experiments.stages import (
    DatasetStage,
    Episodes,
    Evaluation,
    Specialist,
    Stage,
    StudentTraining,
)
from rldg_experiments.store import finish, in_dependency_order

BOTH = "data: {human: {episodes: [4, 8]}, rldg: {episodes: [4, 8]}}"
OWN = f"""
base: demo
tasks: {{connector: {{train: [vga], unseen: [xlr]}}}}
{BOTH}
evaluation: {{episodes: 2}}
"""


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_command_of_every_experiment_is_understood(name: str, budget: str) -> None:
    stages = every_stage(make_experiment_plan(load(name, budget)))
    assert len(stages) >= 6
    for stage in stages.values():
        accept(stage.command)


def test_every_source_is_made_by_a_command_of_its_own() -> None:
    plan = make_experiment_plan(load("fig7"))
    commands = {data.name: data.episodes.command.words for data in plan.data}
    assert "source:=operator" in commands["human"]
    assert any(word.startswith("policies:=") for word in commands["rldg"])
    assert commands["relabelled"][:3] == ("run", "rldg_rl", "relabel")


def test_an_own_experiment_says_what_differs(tmp_path: Path) -> None:
    experiment, demo = load(own(tmp_path, OWN)), load("demo")
    assert experiment.name == "own"
    assert experiment.tasks["connector"].unseen == ("xlr",)
    assert experiment.evaluation.episodes == 2
    assert experiment.evaluation.seed == demo.evaluation.seed
    assert experiment.students == demo.students


def test_a_budget_goes_over_the_rest_and_null_takes_away(tmp_path: Path) -> None:
    text = (
        OWN
        + "budgets: {gpu: {data: {human: {episodes: 300}}, students: {cnn: {options: {augment: null}}}}}"
    )
    small, large = (load(own(tmp_path, text), budget) for budget in BUDGETS)
    assert [e.data["human"].episodes for e in (small, large)] == [(4, 8), (300,)]
    assert "augment" in small.students["cnn"].options
    assert "augment" not in large.students["cnn"].options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks: {connector: {train: [vga], unseen: [scart]}}", "no task 'connector/scart'"),
        ("tasks: {connector: {train: [vga], seen: [xlr]}}", "'xlr' is none of vga"),
        ("data: {human: {of: monkey}}", "data.human.of: 'monkey' is none of operator, specialist"),
        ("data: {rldg: {relabel: true}}", "data.rldg.relabel: the specialists acted themselves"),
        ("data: {cnn: {of: operator, episodes: 9}}", "data.cnn: claims tell data from students"),
        ("data: {'7': {of: operator, episodes: 9}}", "data.7: claims tell data from"),
        ("data: {a/b: {of: operator, episodes: 9}}", "data.a/b: the name stands in claims"),
        ("data: {human: {episodes: []}}", "data.human.episodes: names no number"),
        (
            "students: {cnn: {data: [rldg, moon]}}",
            "students.cnn.data: 'moon' is none of human, rldg",
        ),
        (
            "students: {cnn: {options: {seed: 3}}}",
            "the seed is one of the experiment's: give `seeds`",
        ),
        ("sources: [human]", "sources: say `data: {human: {of: operator, episodes: 150}, ...}`"),
        ("episodes: [9]", "episodes: say how many in each entry of `data`"),
        ("specialist: {seed: 3}", "specialist.seed: say `seeds`"),
        ("seeds: 0", "seeds: names none: give a number of 1 or more"),
        ("seeds: []", "seeds: names none"),
        ("seeds: [1, 1]", "seeds: names 1 twice"),
        ("seeds: [-1]", "seeds: must be 0 or more, and is -1"),
        ("seeds: many", "seeds"),
        ("seeds: 1000000000", "seeds"),
        ("evaluation: {perturb: wind}", "wind"),
        ("evaluation: {transport: pigeon}", "'pigeon' is none of direct, ros"),
        ("figures: [pie]", "'pie' is none of"),
        ("evaluation: {episode: 2}", "episode"),
        ("data: {human: {episodes: 1}}", "two or more for every task"),
        ("data: {human: {episodes: many}}", "episodes"),
        ("- vga", "not a list of"),
        ("base: demon", "no experiment 'demon': give one of demo, fig4"),
        ("a: [", "expected"),
        ("base: 3", "no experiment '3'"),
        ("base: own.yaml", "own.yaml: is its own base"),
        (
            "students: {pupil: {student: kid}}",
            "students.pupil: no student 'kid'; there are: cnn, mlp, octo",
        ),
        (
            "students: {cnn: {options: {stpes: 3}}}",
            "no option 'stpes'; there are: recipe, init, weights",
        ),
        (
            "students: {octo/mean: {student: cnn}}",
            "students.octo/mean: the name becomes a folder's",
        ),
        ("students: {cnn: {options: {2: 3}}}", "students.options"),
        ("students: {cnn: {options: {name: foo}}}", "no option 'name'"),
        ("students: {cnn: {options: {steps: 1e4}}}", "argument --steps: invalid int value: '1e4'"),
        ("students: {cnn: {options: {steps: true}}}", "argument --steps: expected one argument"),
        ("students: {cnn: {options: {steps: 0}}}", "students.cnn: steps must be 1 or more"),
        ("students: {cnn: {options: {size: huge}}}", "no size 'huge'; there are: tiny"),
        ("budgets: null", "budgets: is no list of what goes over the rest under cpu or gpu"),
        ("budgets: [cpu]", "budgets: is no list of"),
        ("budgets: {gpu: 3}", "budgets.gpu: is no list of `name: value`"),
        ("budgets: {gpus: {}}", "budgets: 'gpus' is none of cpu, gpu"),
        ("budgets: {gpu: {episode: [8]}}", "budgets.gpu: 'episode' is none of description, tasks"),
        ("tasks: {connector: {train: []}}", "tasks.connector.train: names no variant"),
        ("tasks: {connector: null}", "tasks: names none"),
        ("evaluation: {episodes: 0}", "evaluation.episodes: must be 1 or more"),
        ("evaluation: {seed: -1}", "evaluation.seed: must be 0 or more, and is -1"),
        ("specialist: {demos: -3}", "specialist.demos: must be 0 or more, and is -3"),
        ("specialist: {steps: 3000000000}", "specialist.steps: must be 2147483647 at most"),
        ("data: {human: {episodes: [9, 9]}}", "episodes: names 9 twice"),
        ("students: {cnn: {data: [human, human]}}", "students.cnn.data: names human twice"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    base = "" if text.startswith(("base", "-", "a:")) else "base: demo\n"
    with pytest.raises(ExperimentError, match=said.replace("[", r"\[")):
        load(own(tmp_path, base + text))


@pytest.mark.parametrize("figure", ["success", "cycle_time", "scaling"])
def test_a_figure_with_nothing_on_it_is_refused(tmp_path: Path, figure: str) -> None:
    without_students = f"students: {{cnn: null}}\nclaims: null\nfigures: [{figure}]\n"
    with pytest.raises(ExperimentError, match=f"nothing would be on {figure}: name students"):
        unjudged = OWN.replace("{episodes: 2}", "{episodes: 2, specialists: []}")
        make_experiment_plan(load(own(tmp_path, unjudged + without_students)))
    if figure != "scaling":
        assert make_experiment_plan(load(own(tmp_path, OWN + without_students))).cells, (
            "specialists are on it"
        )


def test_numbers_in_quotes_are_what_distill_takes_them_for(tmp_path: Path) -> None:
    plan = make_experiment_plan(
        load(own(tmp_path, OWN + "students: {cnn: {options: {steps: '10'}}}"))
    )
    students = [s for s in every_stage(plan).values() if isinstance(s, StudentTraining)]
    assert students and all(student.typical_seconds == 17.0 for student in students)


def changed(folder: Path, before: str, after: str) -> set[type[Stage]]:
    """Kinds of the stages that one change of the YAML asks for anew."""
    assert before in OWN
    old = every_stage(make_experiment_plan(load(own(folder, OWN))))
    new = every_stage(make_experiment_plan(load(own(folder, OWN.replace(before, after)))))
    return {type(stage) for name, stage in new.items() if name not in old}


def test_a_changed_setting_asks_only_for_what_depends_on_it(tmp_path: Path) -> None:
    judged = {Evaluation}
    assert changed(tmp_path, "unseen: [xlr]", "unseen: [xlr, hdmi]") == judged
    assert changed(tmp_path, "unseen: [xlr]}}", "unseen: []}}\nclaims: []") == set()
    assert changed(tmp_path, "{episodes: 2}", "{episodes: 3}") == judged
    assert changed(tmp_path, "{episodes: 2}", "{episodes: 2}\nfigures: [scaling]") == set()
    assert changed(tmp_path, "[4, 8]", "[6, 8]") == {DatasetStage, StudentTraining, Evaluation}
    learned = f"{BOTH}\nstudents: {{cnn: {{options: {{steps: 7}}}}}}"
    assert changed(tmp_path, BOTH, learned) == {StudentTraining, Evaluation}
    everything = {type(stage) for stage in every_stage(make_experiment_plan(load("demo"))).values()}
    assert changed(tmp_path, BOTH, BOTH + "\nspecialist: {steps: 9}") == everything
    assert changed(tmp_path, "[4, 8]", "[4, 10]") == {
        Episodes,
        DatasetStage,
        StudentTraining,
        Evaluation,
    }


def test_a_task_s_budget_changes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_experiment_plan(load(own(tmp_path, OWN)))
    before = set(every_stage(plan))

    def changed_task(**changes: Any) -> set[str]:
        monkeypatch.setattr(stages, "load_task", lambda task: replace(load_task(task), **changes))
        return set(every_stage(make_experiment_plan(load(own(tmp_path, OWN)))))

    assert changed_task(cpu_budget=1.0, reset_seconds=9.0) == before
    assert changed_task(horizon=7).isdisjoint(before)


def test_how_a_specialist_learns_changes_only_what_comes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of_specialists(stage: Stage) -> bool:
        return isinstance(stage, Specialist) or any(map(of_specialists, stage.needs))

    def names() -> tuple[set[str], set[str]]:
        """Of the stages that come of specialists, and of the others."""
        found = every_stage(make_experiment_plan(load(own(tmp_path, OWN))))
        learned = {name for name, stage in found.items() if of_specialists(stage)}
        return learned, found.keys() - learned

    learned, others = names()
    learning = replace(load_task("connector/vga").learning, discount=0.5)
    for change in ({"learning": learning}, {"grasp_penalty": 0.3}):
        monkeypatch.setattr(
            stages, "load_task", lambda task, change=change: replace(load_task(task), **change)
        )
        learned_now, others_now = names()
        assert others and others_now == others
        assert learned_now.isdisjoint(learned)


def test_a_student_keeps_its_key_under_another_name(tmp_path: Path) -> None:
    renamed = BOTH + "\nstudents: {cnn: null, pupil: {student: cnn, options: {steps: 1500}}}"
    twin = renamed.replace("pupil", "other")
    first, second = (
        {
            s.key
            for s in every_stage(
                make_experiment_plan(load(own(tmp_path, OWN.replace(BOTH, text))))
            ).values()
        }
        for text in (renamed, twin)
    )
    assert first == second


def test_two_students_with_equal_settings_are_both_trained_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    twins = """
claims: null
students:
  cnn: null
  pupil: {student: cnn, options: {steps: 7}}
  twin: {student: cnn, options: {steps: 7}}
"""
    plan = make_experiment_plan(
        load(own(tmp_path, OWN.replace(BOTH, "data: {human: {episodes: 4}, rldg: null}") + twins))
    )
    stages = in_dependency_order(plan.targets)
    assert [s.called for s in stages if isinstance(s, StudentTraining)] == ["pupil", "twin"]
    assert {e.artefact for cell in plan.cells for e in cell.evaluations} <= {
        s.artefact for s in stages
    }
    for stage in stages:
        stage.artefact.mkdir(parents=True)
        finish(stage, 1.0, 1.0, resumed=False)
        if isinstance(stage, Episodes):
            (stage.artefact / "summary.json").write_text('{"tasks": {}}')
        if isinstance(stage, Evaluation):
            won = json.dumps(asdict(EpisodeOutcome(stage.task, True, 2.0, 9.0, 0))) + "\n"
            (stage.artefact / "episodes.jsonl").write_text(won)
    assert list(gather(plan).notes) == [str(stage.artefact) for stage in stages]


def seeds_of(plan: ExperimentPlan) -> dict[str, list[int]]:
    """Of the stages that learn or gather, by kind."""
    found: dict[str, list[int]] = {}
    for stage in every_stage(plan).values():
        if isinstance(stage, Specialist | Episodes | StudentTraining):
            found.setdefault(stage.KIND, []).append(stage.seed)
    return {kind: sorted(set(seeds)) for kind, seeds in found.items()}


def test_every_seed_has_its_own_specialists_data_and_students(tmp_path: Path) -> None:
    one, three = (
        make_experiment_plan(load(own(tmp_path, OWN + seeds))) for seeds in ("", "seeds: 3\n")
    )
    assert seeds_of(three) == {kind: [0, 1, 2] for kind in ("Specialist", "Episodes", "Student")}
    assert every_stage(one).keys() < every_stage(three).keys(), "seed 0 stays as it is"
    assert len(every_stage(three)) == 3 * len(every_stage(one))
    for student in (s for s in every_stage(three).values() if isinstance(s, StudentTraining)):
        assert student.dataset.seed == student.seed
        words = student.command.words
        assert (
            (words[words.index("--seed") + 1] == str(student.seed))
            if student.seed
            else "--seed" not in words
        )
    starts = {s.seed for s in every_stage(three).values() if isinstance(s, Evaluation)}
    assert starts == {1000}, "the same for all"
    (cell,) = (
        c
        for c in three.cells
        if (c.policy, c.source, c.episodes, c.where) == ("cnn", "rldg", 8, "seen")
    )
    assert [evaluation.policy.seed for evaluation in cell.evaluations] == [0, 1, 2]


def test_a_student_learns_from_the_data_that_it_names(tmp_path: Path) -> None:
    more = "students: {cnn: {data: [rldg]}}\nclaims: null\n"
    cells = make_experiment_plan(load(own(tmp_path, OWN + more))).cells
    assert {cell.source for cell in cells if cell.policy == "cnn"} == {"rldg"}


def test_what_is_off_or_left_out_has_a_key_of_its_own(tmp_path: Path) -> None:
    where = BOTH.replace("rldg: {", "rldg: {where: domain=sim, ")
    assert changed(tmp_path, BOTH, where) == {DatasetStage, StudentTraining, Evaluation}
    for entry in ("perturb: 'camera:5mm'", "transport: ros"):
        assert changed(tmp_path, "{episodes: 2}", f"{{episodes: 2, {entry}}}") == {Evaluation}
    plan = make_experiment_plan(
        load(
            own(
                tmp_path,
                OWN.replace(BOTH, where).replace(
                    "{episodes: 2}", "{episodes: 2, perturb: 'camera:5mm'}"
                ),
            )
        )
    )
    found = every_stage(plan).values()
    for stage in found:
        accept(stage.command)
    assert any("--where" in stage.command.words for stage in found)
    assert any("perturb:=camera:5mm" in stage.command.words for stage in found)


def test_two_stages_that_would_write_one_folder_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Specialist, "name", "specialist")
    with pytest.raises(
        ExperimentError, match=r"two stages would write runs/specialist: 'a specialist learns"
    ):
        make_experiment_plan(load("demo"))


def test_experiments_share_what_they_have_in_common() -> None:
    fig4, fig6 = (every_stage(make_experiment_plan(load(name))) for name in ("fig4", "fig6"))
    assert fig4.keys() == fig6.keys()


def test_the_help_teaches_and_mistakes_end_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--list"]) == 0
    assert "demo" in capsys.readouterr().out
    assert main(["dema"]) == 2
    assert "give one of demo" in capsys.readouterr().err
    assert main(["demo", "--plan"]) == 0
    assert "./rldg launch train_rl task:=connector/vga" in capsys.readouterr().out
    assert not list(tmp_path.iterdir()), "a plan writes nothing"
