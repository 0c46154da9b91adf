"""`shopkart.yaml` to domain: pydantic at the edge, every fault at once with file, line and key path."""
