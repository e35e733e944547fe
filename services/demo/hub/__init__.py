"""A made-up hub that answers like the Hugging Face hub: datasets with their history, kept in a folder."""
