"""What DANDI and figshare answer, over the same made-up content."""
