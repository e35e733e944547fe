"""HTTP servers that can be told to fail, to hold an answer, and what they were asked."""
