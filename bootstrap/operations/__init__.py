"""What an operator does with a built cluster: health, logs, policies, workers, removal. The commands are in `cli`."""
