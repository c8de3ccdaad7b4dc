"""System checks of the review set-up."""
