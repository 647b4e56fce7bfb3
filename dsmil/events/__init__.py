"""What the suite says to itself: the envelope, its enums, the devices, ids, and one payload family a file."""
