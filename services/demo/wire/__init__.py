"""HTTP: messages, sockets, what is noted of each request, and what goes wrong on request."""
