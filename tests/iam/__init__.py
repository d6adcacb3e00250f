"""The policies, judged by an IAM simulator that evaluates conditions."""
