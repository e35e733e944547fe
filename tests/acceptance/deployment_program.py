"""Runs the engine of the home that is its argument until it is interrupted: a deployment in small."""

import signal
import sys
from pathlib import Path

from spikemill.services.cli.build import engine_of
from spikemill.services.cli.local.home import Home

with engine_of(Home(Path(sys.argv[1])), binners=1):
    signal.pause()
