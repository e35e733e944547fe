"""Certificates as a deployment makes them, for tests; these need openssl, as its image does."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy.bootstrap.cluster import Authority
from deploy.bootstrap.private_files import Owner

MISSING = None if shutil.which("openssl") else "there is no openssl on PATH"
"""Why tests that need them are skipped."""

ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Issued:
    """What a client believes, and what a server shows."""

    authority: Path
    server: Path


def issue(folder: Path, *names: str, address: str = ADDRESS) -> Issued:
    """Make an authority in the folder, and a server's certificate for these names."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority.kept_in(folder / "authority.pem", Owner(os.getuid(), os.getgid()))
    issued = Issued(folder / "ca.pem", folder / "server.pem")
    issued.authority.write_text(authority.certificate)
    issued.server.write_text(authority.signed(names, address))
    return issued
