"""`make bench`: prints every table of bench/README.md."""

from bench import beacon, collect, load, pipeline, request, scrub, start, stats

if __name__ == "__main__":
    start.main()
    collect.main()
    request.main()
    pipeline.main()
    load.main()
    scrub.main()
    stats.main()
    beacon.main()
