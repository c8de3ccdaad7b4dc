"""What is learned from decisions. Pure: data in, answer out."""
