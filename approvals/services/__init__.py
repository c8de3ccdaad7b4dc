"""What may be done to questions, votes, rights, keys and receipts. Callers hold the locks."""
