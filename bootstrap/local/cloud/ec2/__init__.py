"""EC2's rules around moto: which calls are refused and how, launches, state changes, images and volumes. Running the
instances is the hypervisor's job."""
