"""The spikemill command, and the build on one machine."""
