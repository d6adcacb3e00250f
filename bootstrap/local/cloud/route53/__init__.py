"""Route 53's records: batches of changes, refused where AWS refuses them. moto keeps the zones, and lists records."""
