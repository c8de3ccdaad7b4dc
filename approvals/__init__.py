"""How a question put to people is decided: people and roles, questions, votes, receipts, keys."""
