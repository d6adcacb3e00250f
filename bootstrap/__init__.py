"""The operator's command line: builds clusters, on AWS or on the local cloud."""
