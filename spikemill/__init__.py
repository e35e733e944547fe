"""Public neural recordings in, one shuffled dataset of spike counts out."""
