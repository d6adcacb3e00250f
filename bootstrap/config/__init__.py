"""What a cluster is to be: its settings, read from and written to `cluster.yaml`."""
