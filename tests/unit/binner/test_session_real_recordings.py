"""Real NWB files of other people's tools, against reference answers."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.errors import RecordingError
from spikemill.services.common.types import SessionNames

BESIDE_THE_CHECKOUT = Path(__file__).parents[4] / "shared" / "nwb"
REAL_NWB = Path(os.environ.get("SPIKEMILL_REAL_NWB", BESIDE_THE_CHECKOUT))
SETTINGS = ReaderSettings("nwb-units")

pytestmark = pytest.mark.skipif(
    not (REAL_NWB / "reference_counts.json").is_file(),
    reason=f"no real NWB files at {REAL_NWB} (SPIKEMILL_REAL_NWB)",
)


def reference(name: str) -> dict[str, Any]:
    """Return the answer for one file."""
    answers: dict[str, dict[str, Any]] = json.loads((REAL_NWB / "reference_counts.json").read_text())
    return answers[name]


@pytest.mark.parametrize(
    ("name", "subject_id"),
    [
        ("dandi000140_sub-Jenkins_ses-small_desc-test_ecephys.nwb", "Jenkins"),
        ("guo_anm00239123_20170627_a.nwb", "anm00239123"),
        ("pynapple_A8604-211122_phy.nwb", "unknown"),
        ("svoboda_sub-anm372793_ses-20170508.nwb", "anm372793"),
    ],
)
def test_a_good_file_gives_the_reference_matrix(name: str, subject_id: str, tmp_path: Path) -> None:
    expected = reference(name)
    chunk = tmp_path / "chunk"
    binned = bin_session([CopiedFile(REAL_NWB / name)], SETTINGS, SessionNames("real", None, "ses"), chunk)
    rows = [np.array(row, np.uint8) for row in pq.read_table(chunk)["spike_counts"].to_pylist()]
    counts = np.ascontiguousarray(np.hstack(rows))
    assert hashlib.sha256(counts.tobytes()).hexdigest() == expected["sha256_uint8_c_order"]
    assert (binned.n_units, binned.n_bins) == (expected["units"], expected["bins"])
    assert (binned.tokens, binned.spikes) == (expected["tokens"], expected["spikes_counted"])
    assert (binned.clipped, binned.left_out) == (0, 0)
    assert binned.subject_id == subject_id


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("bad/index_past_end_aibs_a.nwb", "ends at 987,786, but there are 10 spike times"),
        ("bad/units_without_spike_times_nwb_indexer.nwb", "no spike_times column"),
        ("bad/spike_times_index_regionref_matnwb.nwb", "spike_times_index .* whole numbers"),
        ("bad/empty_hdf5_800bytes.nwb", "holds nothing"),
        ("bad/nwb1_bmtk_spikes.onepop.v1.0.nwb", "not NWB 2"),
        ("spiketutorial_spatial_data_MILLISECONDS.nwb", "are the times in milliseconds, or in samples"),
    ],
)
@pytest.mark.parametrize("subject_id", ["sub-01", None])
def test_a_bad_file_is_refused_by_name(
    name: str, reason: str, subject_id: str | None, tmp_path: Path
) -> None:
    path = REAL_NWB / name
    with pytest.raises(RecordingError, match=f"^{path.name}: .*{reason}") as caught:
        bin_session([CopiedFile(path)], SETTINGS, SessionNames("real", subject_id, "ses"), tmp_path / "chunk")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
