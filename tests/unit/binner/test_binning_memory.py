"""Binning stays within 400 MiB and 10 bytes per spike, whatever the shape of the matrix."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikemill.services.common.worker.kinds import BINNER

pytestmark = pytest.mark.slow

WriteFile = Callable[..., Path]
# The peak of the address space itself: what getrusage tells includes the process that started this one.
PROGRAM = """
import sys
from pathlib import Path
from spikemill.services.binner.readers.base import CopiedFile
from spikemill.services.binner.session import ReaderSettings, bin_session
from spikemill.services.common.types import SessionNames

source, chunk = map(Path, sys.argv[1:])
names = SessionNames("s", "sub-1", "ses-1")
binned = bin_session([CopiedFile(source)], ReaderSettings("nwb-units"), names, chunk)
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
print(binned.tokens, int(peak.split()[1]) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell the peak")
def test_many_units_and_few_spikes(write_units: WriteFile, tmp_path: Path) -> None:
    n_units, n_spikes = 50_000, 50_000
    times = np.random.default_rng(1).random(n_spikes) * 40
    source = write_units(times, np.arange(1, n_units + 1))
    arguments = [sys.executable, "-c", PROGRAM, str(source), str(tmp_path / "chunk")]
    # As a binner's process: Arrow's memory is managed by what its worker names.
    environment = {**os.environ, **BINNER.environment}
    tokens, peak = map(int, subprocess.check_output(arguments, env=environment).split())
    assert tokens > 99_000_000
    assert peak < 400 * 2**20 + 10 * n_spikes
