"""Optional speed on a CPU; nothing outside imports it but the policy."""
