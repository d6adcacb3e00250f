"""What watches over the lifecycle app and the workers: dead-letter queue, retries, alarms, dashboard."""
