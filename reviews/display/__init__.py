"""How a ticket is shown to people: facts first, claims marked as claims, nothing left out."""
