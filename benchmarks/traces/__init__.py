"""Terms of simulated users in virtual time, and the result of each rule of stopping idle machines: `make traces`."""
