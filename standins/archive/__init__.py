"""A made-up archive that answers like DANDI and figshare: `python -m standins.archive`."""
