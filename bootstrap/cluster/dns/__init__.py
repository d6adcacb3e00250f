"""A cluster's DNS records: those that `up` makes in hosted zones of the account, and those that it only checks."""
