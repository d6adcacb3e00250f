"""Terms of made-up people in virtual time, and what each rule of stopping idle machines makes of them."""
