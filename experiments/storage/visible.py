"""A walk through the folders that people see. Imports no torch."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path


def visible_folders(tops: Sequence[Path]) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield (folder, its subfolders, its files) for each folder below the tops, in their order.

    Hidden folders (``.name``) are not entered: they hold what is half made. Neither is a subfolder
    that the caller takes out of the list. Folders that cannot be read are passed over.
    """
    for top in tops:
        for folder, subfolders, files in os.walk(top):
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            yield Path(folder), subfolders, files
