"""Values that mean the same everywhere: errors, money, time, intervals, ids. Pure."""
