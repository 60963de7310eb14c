"""Learning-rate schedules: one small file for each kind, all of them over the base in `base`."""
