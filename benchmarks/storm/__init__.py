"""A class that logs in at once, through the real hub and proxy, against a lean AWS with EC2's token buckets."""
