"""The storage to which both archives redirect."""
