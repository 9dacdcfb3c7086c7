"""What goes over the wire. Pure functions: no await, no clock, no socket."""
