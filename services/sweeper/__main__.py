"""`python -m spikemill.services.sweeper`: keep the ledger moving until told to stop."""

from spikemill.services.sweeper.loop import main

if __name__ == "__main__":
    main()
