"""What a deployment needs before its services start: passwords, certificates, secret files, folders."""
