# SPDX-License-Identifier: Apache-2.0
"""What the domain of an episode is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_core.perturbation import read_perturbation
from rldg_core.provenance import domain_of
from rldg_core.site_file import VARIABLE
from rldg_core.task import load_task
from rldg_core.user_error import UserError


@pytest.mark.parametrize(
    ("randomize", "perturb", "domain"),
    [
        (False, "", "sim"),
        (True, "", "sim+randomized"),
        (False, "latency:100ms,camera:0.5cm", "sim+camera:5mm+latency:100ms"),
        (True, "latency:100ms", "sim+randomized+latency:100ms"),
    ],
)
def test_a_simulated_domain_names_what_its_world_differs_in(
    randomize: bool, perturb: str, domain: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lab.yaml").write_text("name: lab_a\nrobot_ip: 127.0.0.1\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lab.yaml"))
    assert domain_of(False, randomize, read_perturbation(perturb)) == domain
    assert "," not in domain  # conditions on it have commas between them


def test_a_real_domain_has_its_sites_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert domain_of(real=True) == "real"
    (tmp_path / "lab.yaml").write_text("name: lab_a\nrobot_ip: 172.16.0.2\n")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lab.yaml"))
    assert domain_of(real=True) == "lab_a"


@pytest.mark.parametrize("name", ["sim", "sim+randomized", "lab a", "lab,b", "''", "a=b", ".a"])
def test_no_site_is_called_as_a_simulation_is(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "lab.yaml").write_text(f'name: "{name}"\n')
    monkeypatch.setenv(VARIABLE, str(tmp_path / "lab.yaml"))
    with pytest.raises(UserError, match=r"name: .* is not valid"):
        domain_of(real=True)


def test_tasks_are_set_up_on_the_table_unless_they_say_otherwise() -> None:
    assert load_task("connector/vga").region == "table"
