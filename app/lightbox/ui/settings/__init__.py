"""Settings: archives, this workstation, its data."""
