"""The wiring: settings, addresses, processes. Nobody imports it."""
