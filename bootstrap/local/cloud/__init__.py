"""The emulated AWS of the local cloud: one process with moto behind stricter rules, and the hypervisor that runs the
instances. What belongs to one service is in its package; here are the wiring, settings, state, errors, faults and
the events on their way to EventBridge. Nothing here knows the cluster or its users."""
