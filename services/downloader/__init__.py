"""What an archive holds, and whether it arrived whole."""
