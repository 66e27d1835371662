"""Another machine on this one, for the demo and for the tests: a real libvirtd in namespaces of its own, of which this
machine's libvirt sees nothing. `python -m kvmweb.second` starts and stops the demo's, as root.

It knows no libvirt: how the dashboard comes to it is vms.demo.second's.
"""
