"""What goes over the wire: requests, replies, and how bytes move."""
