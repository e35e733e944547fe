"""Archives: what they hold, and where each asset can be read."""
