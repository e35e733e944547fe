"""What is claimed about speed, memory and size, with the commands that measure it."""
