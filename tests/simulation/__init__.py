"""The hub's and the functions' real code in virtual time, on lean stand-ins for AWS, with faults by seed."""
