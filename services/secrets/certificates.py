"""Certificates for the servers of a cluster: an authority of their own, made once, and what it signs."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.secrets.private_files import Owner, write_once

_TWENTY_YEARS = 20 * 365
_TEN_YEARS = 10 * 365
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
x509_extensions = extensions
[name]
CN = {name}
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
{extensions}
"""
_OF_AUTHORITY = """\
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign
"""
_OF_SERVER = """\
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = {names}
"""


class CertificateError(Exception):
    """A certificate could not be made."""


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs the servers' certificates: a file with its key and its own certificate."""

    path: Path

    @classmethod
    def kept_in(cls, path: Path, owner: Owner) -> Self:
        """Return the authority in a file, made now if there is no file."""
        if not path.exists():
            write_once(path, _made("spikemill authority", _OF_AUTHORITY, days=_TWENTY_YEARS), owner)
        return cls(path)

    @property
    def certificate(self) -> str:
        """What a client must believe; there is no secret in it."""
        found = _CERTIFICATE.search(self.path.read_text())
        if found is None:
            raise CertificateError(
                f"{self.path.name} holds no certificate: remove the file from the volume and start again, "
                "then copy the folder join to the other hosts anew."
            )
        return found[0]

    def signed(self, names: Iterable[str], address: str) -> str:
        """Return a new key, and the certificate of a server that is called so; each call makes another."""
        called = ", ".join([*(f"DNS:{name}" for name in names), f"IP:{address}"])
        return _made(
            "spikemill server",
            _OF_SERVER.format(names=called),
            *("-CA", str(self.path), "-CAkey", str(self.path)),
            days=_TEN_YEARS,
        )


def _made(name: str, extensions: str, *signed_by: str, days: int) -> str:
    """Return a new key and its certificate, which signs itself unless somebody else does."""
    new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", str(days)]
    where = ["-config", "/dev/stdin", "-keyout", "/dev/stdout", "-out", "/dev/stdout"]
    done = subprocess.run(  # noqa: S603 - nothing in it comes from outside
        ["openssl", "req", "-x509", *new, *signed_by, *where],  # noqa: S607 - the image's own
        input=_CONFIGURATION.format(name=name, extensions=extensions),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CertificateError(f"openssl made no certificate: {done.stderr.strip()}")
    return done.stdout
