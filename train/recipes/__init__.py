"""The eight steps of fine-tuning, end to end."""
