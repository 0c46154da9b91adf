"""What makes Dagster fast on one machine."""
