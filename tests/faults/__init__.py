"""Faults of hub, CloudWatch, EC2, events, clocks and names, through the real code: no machine is stopped by them."""
