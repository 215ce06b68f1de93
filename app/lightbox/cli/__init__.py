"""Floor 8: the command line: the same capabilities without a screen, one command a capability."""
