"""English, without the month and the day in an order that half the world reads the other way."""
