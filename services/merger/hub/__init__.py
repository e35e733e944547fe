"""A pile as a dataset of the Hugging Face hub: content-addressed uploads, then one commit, then its tag."""
