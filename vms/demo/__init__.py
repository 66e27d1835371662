"""The demo: a small guest built from Debian packages, and three VMs that run it."""
