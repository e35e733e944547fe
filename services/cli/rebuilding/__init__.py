"""Building a pile again from what its own provenance says."""
