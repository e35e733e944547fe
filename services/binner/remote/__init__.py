"""Reading parts of an asset where it lies, over HTTP."""
