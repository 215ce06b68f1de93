"""The connection doctor: examines the way to a peer step by step and names the setting to change."""
