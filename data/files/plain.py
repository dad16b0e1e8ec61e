"""Files as they may come from anybody: plain types, bounded, nothing executed or unfolded."""

import json
import stat
from pathlib import Path
from typing import Any

import yaml

_LARGEST = 64 * 2**20  # bytes; a configuration has 2 kB, a result 20


def read_plain_text(path: Path) -> str:
    """The text of a regular file. Raises OSError, and ValueError for what cannot be one of ours."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe would block, a device never end
        raise ValueError("not a regular file")
    if status.st_size > _LARGEST:
        raise ValueError(f"{status.st_size} bytes are more than it can have")
    return path.read_text(encoding="utf-8")


def read_plain_json(path: Path) -> Any:
    """As :func:`read_plain_text`."""
    try:
        return json.loads(read_plain_text(path))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


_DEEPEST = 20  # a configuration has groups, options and lists


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there


def read_plain_yaml(path: Path) -> dict[str, Any]:
    """A mapping of plain types, without aliases, which a few lines can unfold to fill the memory,
    without depth, which overflows libyaml's stack, and without interpolations, which would be
    resolved here, from this environment.

    Raises as :func:`read_plain_text`.
    """
    text = read_plain_text(path)
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
                event, yaml.CollectionEndEvent
            )
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
                raise ValueError("aliases (*) in it, or nested too deeply")
        found = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(found, dict):
        raise ValueError("no mapping of options")
    if "${" in json.dumps(found, default=str, skipkeys=True):
        raise ValueError("an interpolation (${...}) in it")
    return found
