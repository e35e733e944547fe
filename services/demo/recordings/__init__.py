"""Made-up recordings, and the NWB files that hold them."""
