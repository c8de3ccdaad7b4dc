"""The HTTP interface's foundations, and its pages about keys and policies."""
