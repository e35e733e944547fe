"""Installs a lock file as it stands: `python requirements/install.py ENVIRONMENT LOCK`.

ENVIRONMENT is a folder that `python -m venv` makes or has made. Nothing is resolved: what LOCK lists is
installed, each file held to its hash, and what it does not list is removed. uv does the work; pip installs
uv, from `uv.txt` beside this file. An index, a certificate or a proxy that only pip is told of reaches uv
too. It needs nothing but the standard library.
"""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

_UV_LOCK = Path(__file__).with_name("uv.txt")
_OLDEST = (3, 11)
# pip's name of a setting, and the variable that tells uv the same.
_SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "no-index": "UV_NO_INDEX",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
}
_FLAGS = {"no-index"}
_ON = {"1", "on", "true", "yes"}


def install(environment: Path, lock: Path) -> None:
    """Bring an environment to exactly what a lock lists; raises CalledProcessError where that fails."""
    python = _python_of(environment)
    settings = {**uv_settings(_pip_configuration(python)), **os.environ}
    uv = _uv_of(environment, python)
    # Files of a lock are told by their hashes, so any index that has them will do.
    settings.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    # Compiled now: otherwise each process would do it anew where Python may not write.
    options = ["--require-hashes", "--compile-bytecode", "--python", str(python)]
    subprocess.run([uv, "pip", "sync", *options, lock], env=settings, check=True)  # noqa: S603 - our own words
    subprocess.run([uv, "pip", "check", "--python", python], env=settings, check=True)  # noqa: S603


def uv_settings(pip: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell uv what pip is told; `pip` has pip's settings by their names."""
    told = {}
    for name, value in pip.items():
        variable = _SETTINGS.get(name)
        if variable is None or (name in _FLAGS and value.lower() not in _ON):
            continue
        told[variable] = "1" if name in _FLAGS else ",".join(value.split()) if name == "find-links" else value
    return told


def _python_of(environment: Path) -> Path:
    """Return the interpreter of an environment, made with this Python unless one that works is there."""
    python = environment / "bin" / "python"
    asked = (
        subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
        if python.exists()
        else None
    )  # noqa: E501, S603
    if asked is None or asked.returncode != 0:
        print(f"Making {environment} with Python {sys.version.split()[0]}.", flush=True)  # noqa: T201
        venv.create(environment, clear=True, with_pip=True)
    return python


def _pip_configuration(python: Path) -> dict[str, str]:
    """Return what pip is told by its files and its variables, by the names of its settings.

    A variable counts more than a file, and what is said of `pip install` more than what is said of pip.
    """
    listed = subprocess.run(  # noqa: S603 - our own words
        [python, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
            found[name] = value.replace("\\n", "\n").strip()
    return found


def _uv_of(environment: Path, python: Path) -> Path:
    """Return the uv of an environment, of the locked version."""
    uv = environment / "bin" / "uv"
    wanted = re.search(r"^uv==(\S+)", _UV_LOCK.read_text(), re.MULTILINE)
    told = (
        subprocess.run([uv, "--version"], capture_output=True, text=True, check=False).stdout
        if uv.exists()
        else ""
    )  # noqa: E501, S603
    if wanted is None or f" {wanted[1]} " not in f"{told.strip()} ":
        options = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes"]
        subprocess.run([python, "-m", "pip", "install", *options, "--requirement", _UV_LOCK], check=True)  # noqa: S603
    return uv


if __name__ == "__main__":
    if sys.version_info < _OLDEST:
        sys.exit(f"spikemill needs Python {_OLDEST[0]}.{_OLDEST[1]} or newer.")
    install(Path(sys.argv[1]), Path(sys.argv[2]))
