"""The local cloud: the whole system on one machine, against strict emulators of AWS."""
