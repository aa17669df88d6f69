"""What people decide, kept and obeyed."""
