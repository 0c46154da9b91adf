"""Requests under load while a cluster changes: on the emulated Kubernetes, and on a real one where there is one."""
