"""What stands before and behind every invocation: admission, leases, resumes, forks, and the heart that keeps them."""
