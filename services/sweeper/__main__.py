"""`python -m services.sweeper`: keep the ledger moving until told to stop."""

from services.sweeper.loop import main

if __name__ == "__main__":
    main()
