"""Other libraries doing what an arm does, as far as they can: those that are installed."""
