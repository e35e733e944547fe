"""Every query of the house: what changes a state, what records a fact, what people ask."""
