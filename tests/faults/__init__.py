"""What happens to accepted events when processes die and stores, disks and clocks fail.

python -m tests.faults --moments 200     at 200 random moments
python -m tests.faults --outage 600      ten minutes without a store, under load
"""
