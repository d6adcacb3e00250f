"""The emulated AWS of the local cloud: moto made as strict as EC2, and the machine room its instances run in."""
