"""A made-up Hugging Face hub: `python -m standins.hub`."""
