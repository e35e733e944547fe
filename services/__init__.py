"""Spikemill: public neural recordings in, one shuffled dataset of spike counts out."""

import sys

from services.common.library_variables import pass_over

# Python says so while it looks for what `python -m services...` names: one of our processes begins, and no
# library has read its variables yet. A program that only imports our modules keeps its environment.
if sys.argv[:1] == ["-m"]:
    pass_over()
