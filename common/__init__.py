"""What gateway and consumer must agree on, and nothing else."""
