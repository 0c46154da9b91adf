"""Services on Kubernetes: what is told to the cluster, and what it says."""
