"""Everything that crossed a run's boundary, recorded once in a file and played again without the outside."""
