"""Spike times in, rows of counts out."""
