"""The folders that travel with the package: catalogues and migrations."""

from importlib.resources import files
from pathlib import Path

from services.common.errors import CallError

_CHECKOUT = Path(__file__).resolve().parents[2]


def resource_folder(name: str) -> Path:
    """Return the folder `catalog` or `migrations`: inside the installed wheel, else at the checkout's top.

    Raises `CallError` where neither holds it.
    """
    candidates = (Path(str(files("services"))) / name, _CHECKOUT / name)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise CallError(
        f"The folder {name!r} is missing from this installation ({candidates[0]}); install spikemill again."
    )
