"""What is baked into the worker image: the boot client and the activity reporter."""
