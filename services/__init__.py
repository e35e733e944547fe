"""The services; they are imported as `spikemill.services`, in a checkout as in an installation."""

import sys

from spikemill.services.common.library_variables import pass_over

if __name__ != "spikemill.services":
    raise ImportError("The services are imported by one name only: spikemill.services.")
# Python says so while it looks for what `python -m spikemill.services...` names: one of our processes begins,
# and no library has read its variables yet. A program that only imports our modules keeps its environment.
if sys.argv[:1] == ["-m"]:
    pass_over()
