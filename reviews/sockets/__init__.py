"""Web sockets: who may listen, what each hears, and when they hear it no longer."""
