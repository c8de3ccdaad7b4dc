"""What may be done to tickets. Each writes in one transaction under the ticket's lock."""
