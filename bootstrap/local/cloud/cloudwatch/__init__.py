"""CloudWatch's rules around moto: metrics with their datapoints, and alarms that change state. Sending the events
belongs to `cloud/events.py`."""
