"""The lifecycle manager: records what workers do and stops idle ones. Runs as AWS Lambda functions."""
