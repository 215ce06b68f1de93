"""Floor 6: cohort, de-identify, verify, destination."""
