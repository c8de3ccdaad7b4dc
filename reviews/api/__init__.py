"""The work over HTTP: read and checked here, done by the services."""
