"""Every module that an image ships loads with what its own lock holds, whatever is installed here."""

import os
import re
import subprocess
import sys

import pytest

from tests.deployment.projects import CHECKOUT

pytestmark = pytest.mark.slow

SERVICES = "spikemill.services"
WORKER = (f"{SERVICES}.common.worker", f"{SERVICES}.common.store", f"{SERVICES}.common.ledger")
SHIPPED = {
    "sweeper": (*WORKER, f"{SERVICES}.sweeper"),
    "downloader": (*WORKER, f"{SERVICES}.downloader"),
    "binner": (*WORKER, f"{SERVICES}.binner"),
    "merger": (*WORKER, f"{SERVICES}.merger"),
    "tools": (SERVICES,),
    "flower": (f"{SERVICES}.flower",),
    "archive": ("standins",),
}
"""What each image is there for: packages whose modules are all loaded, with what they import."""
# Tools start no worker and no server of their own.
NOT_IN = {"tools": rf"{re.escape(SERVICES)}\.(binner|sweeper|flower)\b"}
# They are named when a worker's modules are loaded, and not asked.
SERVERS = {"SPIKEMILL_BROKER_URL": "redis://nowhere", "SPIKEMILL_DATABASE_URL": "postgresql://nowhere/x"}
_LOAD = """
import importlib.machinery, importlib.metadata, pkgutil, re, sys

lock, skipped, *packages = sys.argv[1:]
normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
held = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)(?:\\[|==)", open(lock).read(), re.MULTILINE)}
held.add("spikemill")
missing = {
    module
    for module, owners in importlib.metadata.packages_distributions().items()
    if not held & {normal(owner) for owner in owners}
}
known = importlib.metadata.Distribution.from_name.__func__

def from_name(cls, name):
    if normal(name) not in held:
        raise importlib.metadata.PackageNotFoundError(name)
    return known(cls, name)

class Held(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in missing else super().find_spec(name, path, target)

importlib.metadata.Distribution.from_name = classmethod(from_name)
for name in [name for name in sys.modules if name.partition(".")[0] in missing]:
    del sys.modules[name]
sys.meta_path = [Held if each is importlib.machinery.PathFinder else each for each in sys.meta_path]
for package in packages:
    found = importlib.import_module(package)
    for each in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not each.name.endswith("__main__") and not (skipped and re.match(skipped, each.name)):
            importlib.import_module(each.name)
"""


def loaded(lock: str, *packages: str, skipped: str = "") -> "subprocess.CompletedProcess[str]":
    """Load all modules of some packages where nothing is installed but what a lock holds."""
    return subprocess.run(
        [sys.executable, "-c", _LOAD, CHECKOUT / "requirements" / f"{lock}.txt", skipped, *packages],
        cwd=CHECKOUT,
        env={**os.environ, **SERVERS},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", SHIPPED)
def test_what_an_image_ships_is_loaded_with_what_its_lock_holds(target: str) -> None:
    done = loaded(target, *SHIPPED[target], skipped=NOT_IN.get(target, ""))
    assert done.returncode == 0, done.stderr


def test_what_a_lock_does_not_hold_is_missed() -> None:
    assert "ModuleNotFoundError: No module named" in loaded("archive", f"{SERVICES}.merger").stderr
