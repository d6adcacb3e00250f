"""The local cloud: the whole system on one machine, against strict emulators of AWS.

Here are its command line, the supervisor that starts and ends its processes, and what it shows of itself. The emulated
AWS is in `cloud/`. No product code imports this package.
"""
