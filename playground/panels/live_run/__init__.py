"""The live view of a run: curves, samples, status, and the doctor's findings."""
