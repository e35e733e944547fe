"""Installs a lock file as it stands: `python requirements/install.py ENVIRONMENT LOCK`.

ENVIRONMENT is a folder that `python -m venv` has made or will make. Nothing is resolved: what LOCK lists is
installed, each file held to its hash, and everything else is removed. uv does the work; pip installs uv
from `uv.txt` beside this file. An index, a certificate or a proxy that only pip knows of is passed on to uv.
This script needs nothing but the standard library.
"""

import ast
import math
import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

_UV_LOCK = Path(__file__).with_name("uv.txt")
# pip's name of a setting, the variable that tells uv the same, and what stands between several values there.
_PASSED_ON = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "client-cert": ("SSL_CLIENT_CERT", " "),
    "proxy": ("ALL_PROXY", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
    "default-timeout": ("UV_HTTP_TIMEOUT", " "),
}
# By these uv would install something else than the lock, or nothing.
_OVERRULING = {"UV_CONSTRAINT", "UV_EXCLUDE_NEWER", "UV_NO_VERIFY_HASHES", "UV_OVERRIDE"}
_YES = {"1", "on", "true", "yes"}


def install(environment: Path, lock: Path) -> None:
    """Bring an environment to exactly what a lock lists; raises CalledProcessError where that fails."""
    python = environment / "bin" / "python"
    if not _works(python):
        print(f"Making {environment} with Python {sys.version.split()[0]}.", flush=True)  # noqa: T201
        venv.create(environment, clear=True, with_pip=True)
    uv = environment / "bin" / "uv"
    if not _is_locked(uv):
        # What is there may be broken, and pip may have been told to install for the user.
        _run(python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-user",
             "--force-reinstall", "--no-deps", "--require-hashes", "--requirement", _UV_LOCK)  # fmt: skip
    pip = pip_configuration(python)
    # A file is known by its hash, so it may come from any index that has it.
    own = {name: value for name, value in os.environ.items() if name not in _OVERRULING}
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match", **uv_variables(pip), **own}
    if not _can_be_written(Path(_run(uv, "cache", "dir", told=True).strip())):
        variables["UV_NO_CACHE"] = "1"
    # Without its compiled code, each process would compile a package anew where Python may not write.
    options = ["--require-hashes", "--compile-bytecode", *uv_options(pip)]
    _run(uv, "pip", "sync", "--python", python, *options, lock, variables=variables)
    _run(uv, "pip", "check", "--python", python, variables=variables)


def pip_configuration(python: Path) -> dict[str, str]:
    """Return what pip is told, by the names of its settings.

    A variable counts more than a file, and what a file says of `pip install` more than what it says of pip.
    """
    listed = _run(python, "-m", "pip", "config", "list", told=True)
    found: dict[str, str] = {}
    for section in ("global", "install", ":env:"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)=(.*)$", listed, re.MULTILINE):
            found[name] = str(ast.literal_eval(value))
    return found


def uv_variables(pip: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell uv what pip is told."""
    found = {}
    for name, (variable, separator) in _PASSED_ON.items():
        if values := [value for given in pip.get(name, "").split() if (value := _as_uv_reads(name, given))]:
            found[variable] = separator.join(values)
    return found


def _as_uv_reads(name: str, value: str) -> str:
    """Return a value as uv reads it; nothing where pip passes it over, and uv would fail."""
    if name.endswith("timeout"):
        return str(math.ceil(float(value)))
    if name == "find-links" and ":" not in value:
        folder = Path(value).expanduser()
        return str(folder) if folder.exists() else ""
    return value


def uv_options(pip: Mapping[str, str]) -> list[str]:
    """Return the options that tell uv what pip is told, where uv has no variable for it."""
    return ["--no-index"] if pip.get("no-index", "").lower() in _YES else []


def _works(python: Path) -> bool:
    """Tell whether an environment is there and has pip."""
    return python.exists() and _run(python, "-m", "pip", "--version", told=True) != ""


def _is_locked(uv: Path) -> bool:
    """Tell whether the environment's uv is there, and of the locked version."""
    locked = re.search(r"^uv==(\S+)", _UV_LOCK.read_text(), re.MULTILINE)
    return locked is not None and uv.exists() and _run(uv, "--version", told=True).split()[1:2] == [locked[1]]


def _can_be_written(folder: Path) -> bool:
    """Tell whether a folder is there, or can be made, and files in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _run(*command: str | Path, variables: Mapping[str, str] | None = None, told: bool = False) -> str:
    """Run a command to a good end; with `told`, return what it says, or nothing where it fails."""
    try:
        ended = subprocess.run(command, env=variables, check=not told, capture_output=told, text=True)  # noqa: S603
    except OSError:
        # Half a program is none.
        if told:
            return ""
        raise
    return ended.stdout if told and ended.returncode == 0 else ""


if __name__ == "__main__":
    try:
        install(Path(sys.argv[1]), Path(sys.argv[2]))
    except subprocess.CalledProcessError:
        sys.exit(f"{sys.argv[2]} could not be installed in {sys.argv[1]}; the lines above say why.")
