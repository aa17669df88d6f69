"""What people decide about themselves, and what they may ask."""
