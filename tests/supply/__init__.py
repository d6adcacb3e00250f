"""Others' packages: lock files (`make lock`) and known vulnerabilities (`make audit`)."""
