"""Reading parts of an asset in its archive, over HTTP."""
