"""Faults of hub, CloudWatch, EC2, events, clocks and names, through the real code: no user's machine is stopped by them."""
