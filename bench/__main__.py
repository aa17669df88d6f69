"""`make bench`: prints every table of bench/README.md."""

from bench import collect, start

if __name__ == "__main__":
    start.main()
    collect.main()
