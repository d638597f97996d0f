"""Optional speed on a CPU, reached through speed.py; and the memory of a process."""
