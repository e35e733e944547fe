"""Piles on their way to the Hugging Face hub, as the command shows it."""
