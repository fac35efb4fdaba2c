"""What scripts.benchmark, scripts.audit_benchmark and scripts.none_of_these are made of. May import stages."""
