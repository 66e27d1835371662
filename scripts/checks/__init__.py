"""scripts/test: installs what the checks need, runs them, ends with one summary."""
