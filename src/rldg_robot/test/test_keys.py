# SPDX-License-Identifier: Apache-2.0
"""Tests of keys and of the rights that they carry."""

from __future__ import annotations

import shutil
import subprocess
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography import x509

from rldg_core import contract
from rldg_core.user_error import UserError
from rldg_robot.enclaves import ENCLAVES, published
from rldg_robot.keys import make_keys

NOW = datetime(2026, 11, 22, 4, 0)
FILES = {
    *("key.pem", "cert.pem", "identity_ca.cert.pem", "permissions_ca.cert.pem"),
    *("governance.p7s", "permissions.p7s", "permissions.xml"),
}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys") / "lab"
    make_keys(folder, NOW)
    return folder


def speakers(topic: str) -> set[str]:
    """Nodes that may write to a DDS topic."""
    return {
        name
        for name, rights in ENCLAVES.items()
        if any(fnmatchcase(topic, pattern) for pattern in published(name, rights))
    }


def verified(file: Path, certificate: Path) -> subprocess.CompletedProcess[bytes]:
    """As a DDS implementation looks at a signed document."""
    command = ["openssl", "smime", "-verify", "-in", str(file), "-CAfile", str(certificate)]
    at = str(int(NOW.timestamp()))
    return subprocess.run([*command, "-text", "-attime", at], capture_output=True, check=False)


def test_the_gate_alone_speaks_to_the_arm() -> None:
    for topic in (contract.TARGET_POSE, contract.GRIPPER_COMMAND, contract.SAFETY_STATE):
        assert speakers(f"rt/{topic.name}") == {"safety_gate"}
    assert speakers("rt/policy/target_pose") == {"actor", "replayer", "doctor"}
    assert speakers("rr/safety_gate/resetReply") == {"safety_gate"}
    assert speakers("rt/policy_weights") == {"learner"}
    robots = {"franka", "franka_ros2_simulator"}
    assert speakers("rt/franka/target_pose") == {"franka_ros2"} | robots
    switch = "franka/controller_manager/switch_controller"
    assert speakers(f"rq/{switch}Request") == {"franka_ros2", "franka"}
    assert speakers(f"rr/{switch}Reply") == robots


def test_every_topic_of_the_contract_has_a_speaker() -> None:
    # Typed by a person: ros2 topic pub, whose enclave is theirs to choose.
    silent = {t.name for t in contract.TOPICS.values() if not speakers(f"rt/{t.name.lstrip('/')}")}
    assert silent == {contract.INSTRUCTION.name}


def test_each_machine_gets_its_own_keys_and_neither_the_authority(keys: Path) -> None:
    for machine in ("robot", "gpu"):
        places = {path.name: path for path in (keys / machine / "enclaves" / "rldg").iterdir()}
        assert set(places) == {name for name, r in ENCLAVES.items() if r.machine == machine}
        assert all({file.name for file in place.iterdir()} == FILES for place in places.values())
        assert not list((keys / machine).rglob("ca.key.pem"))
    assert {path.stat().st_mode & 0o777 for path in keys.rglob("*key.pem")} == {0o600}
    assert keys.stat().st_mode & 0o777 == 0o700


def test_a_certificate_names_its_enclave_and_is_the_authoritys(keys: Path) -> None:
    authority = x509.load_pem_x509_certificate((keys / "authority/ca.cert.pem").read_bytes())
    place = keys / "robot/enclaves/rldg/safety_gate"
    certificate = x509.load_pem_x509_certificate((place / "cert.pem").read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert certificate.subject.rfc4514_string() == "CN=/rldg/safety_gate"
    grant = ElementTree.fromstring((place / "permissions.xml").read_bytes()).find(".//grant")
    assert grant is not None
    assert grant.findtext("subject_name") == "CN=/rldg/safety_gate"
    assert grant.findtext("validity/not_after") == "2029-11-21T04:00:00"
    assert grant.findtext("default") == "DENY"


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_signed_rights_cannot_be_changed(keys: Path, tmp_path: Path) -> None:
    place, authority = keys / "gpu/enclaves/rldg/learner", keys / "authority/ca.cert.pem"
    for name in ("governance.p7s", "permissions.p7s"):
        assert verified(place / name, authority).returncode == 0, name
    forged = tmp_path / "permissions.p7s"
    text = (place / "permissions.p7s").read_bytes()
    forged.write_bytes(text.replace(b"rt/policy_weights", b"rt/target_pose", 1))
    assert forged.read_bytes() != text
    assert verified(forged, authority).returncode != 0


def test_keys_are_not_replaced(keys: Path) -> None:
    with pytest.raises(UserError, match="never replaced in place"):
        make_keys(keys, NOW)
