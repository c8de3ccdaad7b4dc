"""Forms: what people fill in, and where its description comes from."""
