"""What reports that the lifecycle app or the workers fail: dead-letter queue, alarms, notifications, dashboard.

The workers' idle alarms are not here: the lifecycle app creates those.
"""
