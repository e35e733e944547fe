"""What a deployment needs before its services start: passwords, the files that hold them, folders."""
