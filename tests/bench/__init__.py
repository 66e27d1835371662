"""The numbers that must hold, measured on the machine at hand: `python -m tests.bench [names]`."""
