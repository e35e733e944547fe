"""Where the listings lie that were taken of 17 dandisets."""

import os
from pathlib import Path

LISTINGS = Path(os.environ.get("SPIKEMILL_DANDI_LISTINGS", Path(__file__).parents[3] / "shared" / "dandi"))
MISSING = f"no listings of dandisets at {LISTINGS} (SPIKEMILL_DANDI_LISTINGS)"
"""Why tests that need them are skipped."""
