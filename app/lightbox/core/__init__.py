"""Floor 1: settings and paths, background jobs, signals, typed errors and problems, clock, resources."""
