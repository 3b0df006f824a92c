# SPDX-License-Identifier: Apache-2.0
"""Keys and signed rights for every node: `./rldg keys <folder>`. Whoever has none cannot speak to the gate.

The folder holds one SROS 2 keystore for each machine, and the authority that signed them, which belongs on neither.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from cryptography.x509.oid import NameOID

from rldg_core.commands.argument_types import named_place
from rldg_core.commands.command_line import Parser, command
from rldg_core.commands.visible import visible
from rldg_core.files.atomic_file import publish
from rldg_core.user_error import UserError
from rldg_robot.enclaves import ENCLAVES, PREFIX, enclave, governance, permissions

VALID = timedelta(days=3 * 365)
SLACK = timedelta(days=1)
"""by which they begin earlier: the clocks of two machines differ"""


class Authority:
    """Signs certificates and documents."""

    def __init__(self, now: datetime) -> None:
        """Make its key; `now` in UTC, whole seconds."""
        self.begin, self.end = now - SLACK, now + VALID
        self._name = _named("rldg")
        self.key = _new_key()
        self.certificate = self._certify(self._name, self.key, authority=True)

    def certify(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        """The certificate of a node's key."""
        return self._certify(_named(name), key, authority=False)

    def sign(self, document: bytes) -> bytes:
        """The document as S/MIME in clear text with its signature."""
        builder = pkcs7.PKCS7SignatureBuilder().set_data(document)
        signed = builder.add_signer(self.certificate, self.key, hashes.SHA256())
        options = [pkcs7.PKCS7Options.Text, pkcs7.PKCS7Options.DetachedSignature]
        return signed.sign(Encoding.SMIME, options)

    def _certify(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, authority: bool
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=self.begin,
            not_valid_after=self.end,
        )
        constraints = x509.BasicConstraints(ca=authority, path_length=1 if authority else None)
        return builder.add_extension(constraints, critical=authority).sign(
            self.key, hashes.SHA256()
        )


def make_keys(folder: Path, now: datetime) -> None:
    """Write keystores for both machines into a new folder; all of it, or nothing.

    Raises:
        UserError: the folder exists, or cannot be written.
    """
    if folder.exists():
        raise UserError(
            f"{folder} exists: keys are never replaced in place. Give another folder, then copy it to both machines"
        )
    draft = folder.with_name(f".{folder.name}.new")
    authority = Authority(now)
    rules = authority.sign(governance())
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True, mode=0o700)
        _write(draft / "authority", "ca.key.pem", _pem(authority.key), 0o600)
        certificate = authority.certificate.public_bytes(Encoding.PEM)
        _write(draft / "authority", "ca.cert.pem", certificate)
        for name, rights in ENCLAVES.items():
            place = draft / rights.machine / "enclaves" / PREFIX.strip("/") / name
            document = permissions(name, rights, authority.begin, authority.end)
            key = _new_key()
            signed = authority.certify(enclave(name), key).public_bytes(Encoding.PEM)
            _write(place, "key.pem", _pem(key), 0o600)
            _write(place, "cert.pem", signed)
            _write(place, "identity_ca.cert.pem", certificate)
            _write(place, "permissions_ca.cert.pem", certificate)
            _write(place, "governance.p7s", rules)
            _write(place, "permissions.xml", document)
            _write(place, "permissions.p7s", authority.sign(document))
        publish(draft, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}") from error


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())  # the curve that DDS Security names


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(folder: Path, name: str, content: bytes, mode: int = 0o644) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "wb") as file:
        file.write(content)


@command("keys")
def main(words: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = Parser(prog="keys", description=__doc__)
    parser.add_argument(
        "folder",
        type=named_place,
        help="a new one; docs/how-to/two-machines.md says what to do with it",
    )
    folder = parser.parse_args(words).folder.absolute()
    make_keys(folder, datetime.now(UTC).replace(microsecond=0, tzinfo=None))
    print(
        visible(
            f"{len(ENCLAVES)} keys, valid for {VALID.days} days. On each machine, with its own folder (robot or gpu):\n"
            "  export ROS_SECURITY_ENABLE=true ROS_SECURITY_STRATEGY=Enforce "
            f"ROS_SECURITY_KEYSTORE={folder}/robot\n"
            f"Lock {folder}/authority away: who has it can make keys."
        )
    )
