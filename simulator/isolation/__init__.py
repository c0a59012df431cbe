"""A policy file in a process of its own: host, worker, wire protocol, sandbox."""
