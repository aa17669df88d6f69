"""`make bench`: prints every table of bench/README.md."""

from bench import collect, pipeline, scrub, start, stats

if __name__ == "__main__":
    start.main()
    collect.main()
    pipeline.main()
    scrub.main()
    stats.main()
