"""Who was recorded, as an NWB file says it."""

import re
import warnings
from unicodedata import normalize

import h5py

from services.common.errors import RecordingError

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,255}")
_WAY_OUT = "put the file into a folder that is named for the subject, such as sub-01"


def read_subject_id(file: h5py.File) -> str | None:
    """Return the subject's id in NFC, None where the file has no subject or an empty id."""
    # Most archives name the subject in the path; pynwb's 60 MiB are taken only where one does not.
    from pynwb import NWBHDF5IO  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # pynwb remarks on old namespaces and fields; a reader of other people's files cannot heed it.
            warnings.simplefilter("ignore")
            subject = NWBHDF5IO(file=file, mode="r").read().subject
    except Exception as error:  # pynwb raises whatever its metadata trip it into
        raise RecordingError(
            f"pynwb cannot read the file's metadata, so nobody knows the subject; {_WAY_OUT}"
        ) from error
    stored = subject.subject_id if subject is not None else None
    return _checked(normalize("NFC", (stored or "").strip())) or None


def _checked(name: str) -> str:
    """Refuse what no table, file name or ledger could hold."""
    if name and not _NAME.fullmatch(name):
        raise RecordingError(f"its subject id is no name ({name[:40]!r}); {_WAY_OUT}")
    return name
