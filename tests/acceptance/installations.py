"""spikemill as a person gets it: its wheel in an empty environment, away from the checkout."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
NOBODY = "nobody"
_DEPENDENCIES = sysconfig.get_path("purelib")
_IS_THERE = "import celery, h5py, psycopg, pyarrow, redis"


@dataclass(frozen=True)
class Interpreter:
    """A Python, and what its environment must say so that it finds its own library."""

    path: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, user: str | None = None, **environment: str) -> None:
        """Run it to a good end; raises OSError or CalledProcessError."""
        subprocess.run(
            [self.path, *arguments],
            cwd=CHECKOUT,
            env={"PATH": os.defpath, **self.environment, **environment},
            user=user,
            capture_output=True,
            check=True,
        )

    def serves(self, user: str) -> bool:
        """Tell whether a user can run it and import what spikemill needs."""
        try:
            self.run("-c", _IS_THERE, user=user, PYTHONPATH=_DEPENDENCIES, PYTHONDONTWRITEBYTECODE="1")
        except (OSError, subprocess.CalledProcessError):
            return False
        return True


@dataclass(frozen=True)
class Installation:
    """An environment that holds the wheel; `is_open` tells whether plain users can run it beside root."""

    folder: Path
    interpreter: Interpreter
    is_open: bool

    def run(self, *arguments: str, folder: Path, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command in a folder, as another user where one is named."""
        return subprocess.run(
            [self.folder / "bin" / "spikemill", *arguments],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), **self.interpreter.environment},
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else (),
            capture_output=True,
            text=True,
            check=False,
        )

    def place_of(self, module: str, folder: Path) -> Path:
        """Return the file that a module is imported from, in a folder that holds no module."""
        code = f"import {module} as module; print(module.__file__)"
        answer = subprocess.run(
            [self.folder / "bin" / "python", "-c", code],
            cwd=folder,
            env={"PATH": os.defpath, **self.interpreter.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return Path(answer.stdout.strip())


def install(folder: Path) -> Installation:
    """Install the wheel into an environment that finds the dependencies, but not the checkout."""
    interpreter, is_open = _interpreter(folder / "python")
    environment = folder / "environment"
    interpreter.run("-m", "venv", "--without-pip", str(environment))
    ours = Interpreter(sys.executable, {**os.environ, **interpreter.environment})
    options = ("--no-deps", "--no-index", "--python", str(environment / "bin" / "python"))
    ours.run("-m", "uv", "pip", "install", *options, str(_wheel(folder)))
    # A plain line adds the folder without following the .pth file in it that leads to the checkout.
    [packages] = environment.glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(f"{_DEPENDENCIES}\n")
    return Installation(environment, interpreter, is_open)


def _wheel(folder: Path) -> Path:
    ours = Interpreter(sys.executable, os.environ)
    ours.run("-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder))
    [wheel] = folder.glob("spikemill-*.whl")
    return wheel


def _interpreter(folder: Path) -> tuple[Interpreter, bool]:
    """Return this interpreter; where root's is closed to others, a copy of it that is not, if that helps."""
    ours = Interpreter(sys.executable)
    if os.geteuid() != 0 or ours.serves(NOBODY):
        return ours, True
    copy = _copy_of_python(folder)
    return (copy, True) if copy.serves(NOBODY) else (ours, False)


def _copy_of_python(folder: Path) -> Interpreter:
    """Copy the interpreter and its standard library to where everybody may read them."""
    base, name = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    ignored = shutil.ignore_patterns("site-packages", "test", "__pycache__")
    shutil.copytree(base / "lib" / name, folder / "lib" / name, ignore=ignored)
    for library in base.glob("lib/libpython*"):
        shutil.copy(library, folder / "lib")
    (folder / "bin").mkdir()
    copy = shutil.copy(base / "bin" / name, folder / "bin")
    return Interpreter(str(copy), {"LD_LIBRARY_PATH": str(folder / "lib")})
