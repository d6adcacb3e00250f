"""Faults of hub, CloudWatch, EC2, events, clocks and names, through the real code: nobody is stopped by them."""
