"""What comes with the service: office roles, the general queue, and ready checkpoints, as data."""
