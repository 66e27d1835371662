"""Chromium in front of the whole dashboard with real VMs. A pytest run of its own: playwright keeps an event loop."""
