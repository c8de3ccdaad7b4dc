"""The command line: `hitl`, also installed as `leadfactory`."""
