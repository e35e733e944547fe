"""The loop that keeps the ledger moving, and what it removes and measures."""
