"""Who was recorded, as an NWB file says it."""

import warnings

import h5py

from services.common.errors import RecordingError


def read_subject_id(file: h5py.File) -> str | None:
    """Return the subject's id, None where the file has no subject or an empty id."""
    # Most archives name the subject in the path; pynwb's 60 MiB are taken only where one does not.
    from pynwb import NWBHDF5IO  # noqa: PLC0415

    try:
        with warnings.catch_warnings():
            # pynwb remarks on old namespaces and fields; a reader of other people's files cannot heed it.
            warnings.simplefilter("ignore")
            subject = NWBHDF5IO(file=file, mode="r").read().subject
    except Exception as error:  # pynwb raises whatever its metadata trip it into
        raise RecordingError(
            "pynwb cannot read the file's metadata, so nobody knows the subject; "
            "put the file into a folder that is named for the subject, such as sub-01"
        ) from error
    stored = subject.subject_id if subject is not None else None
    return (stored or "").strip() or None
