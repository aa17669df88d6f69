"""Attackers on what is published, with everything it tells them: `python -m tests.attackers`."""
