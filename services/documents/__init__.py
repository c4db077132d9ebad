"""Documents: what comes in on paper or as a file, and what goes with a visit."""
