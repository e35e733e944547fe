"""What a command has to say at its end: the token ledger, what failed, and what was built."""
