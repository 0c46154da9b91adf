"""Tests of what is told to Kubernetes, and of what it says."""
