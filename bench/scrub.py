"""What the scrubber finds of each kind in each encoding, and what it marks in vain."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from urllib.parse import unquote

from anonymize.scrub import scrub
from anonymize.url import clean_path
from tests.anonymize.texts import (
    AROUND,
    ENCODINGS,
    HARMLESS,
    PERSONAL,
    percent,
    personal,
    plain,
    twice,
)

NUMBER = 2000  # values of each kind
LOG = Path(__file__).parents[2] / "shared" / "data" / "apache_access.log.gz"


def main() -> None:
    print("## The scrubber\n")
    print(f"{NUMBER * len(AROUND)} texts of each kind in each encoding; how many are found:\n")
    print("| kind | " + " | ".join(HEADINGS) + " |\n|---|" + "---|" * len(HEADINGS))
    for kind in PERSONAL:
        texts = [around.format(value) for value in personal(kind, NUMBER) for around in AROUND]
        found = (sum(is_found(encode(text)) for text in texts) / len(texts) for encode in ENCODINGS)
        print(f"| {kind} | " + " | ".join(f"{share:.2%}" for share in found) + " |")
    changed = [t for t in HARMLESS for e in (plain, percent, twice) if scrub(e(t)) != e(t)]
    print(f"\nOf {len(HARMLESS)} harmless texts, in three encodings each, {len(changed)} change.")
    if LOG.exists():
        paths = _paths()
        marked = [path for path in paths if re.search(r"\{[a-z-]+\}", clean_path(path))]
        print(f"Of {len(paths)} paths of a real log {len(marked)} change:\n")
        for path in marked:
            print(f"- `{path}` → `{clean_path(path)}`")
    print()


HEADINGS = ("plain", "percent-encoded", "every character", "twice")


def is_found(encoded: str) -> bool:
    """Whether something was marked, and no digit of the value is left. (`,15z` is a zoom level.)"""
    left = scrub(encoded)
    rest = unquote(unquote(left)).replace(",15z", "")
    return left != encoded and not re.search(r"\d", rest)


def _paths() -> list[str]:
    with gzip.open(LOG, "rt", errors="replace") as file:
        return sorted(
            {found[1] for line in file if (found := re.search(r'"[A-Z]+ (/[^ ?#]*)', line))}
        )


if __name__ == "__main__":
    main()
