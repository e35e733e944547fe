"""All rows into one shuffled, split and audited dataset."""
