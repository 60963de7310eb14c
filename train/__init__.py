"""The two sources behind one batch contract, models, optimisation, evaluation, benchmark."""
