"""Proofs of what is promised under races and faults, each with its negative control."""
