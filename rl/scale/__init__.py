"""Many runs, or one run on many workers."""
