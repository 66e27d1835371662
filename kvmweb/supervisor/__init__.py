"""Starts the dashboard's processes, keeps them running, ends them: `python -m kvmweb.supervisor`.

It knows no libvirt and ends no process that it did not start.
"""
