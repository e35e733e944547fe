"""How a build is watched: what the ledger says, how fast it goes, and how that is shown."""
