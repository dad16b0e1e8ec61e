"""Text, JSON and YAML files from anybody, read as plain types.

Their size and depth are bounded, and nothing in them is executed, expanded or resolved.
"""

import json
import stat
from pathlib import Path
from typing import Any

import yaml

_LARGEST = 64 * 2**20  # bytes; a configuration has 2 kB, a result 20
_DEEPEST = 20  # collections inside each other; a configuration has groups, options and lists
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # with libyaml it is ten times faster


def read_plain_text(path: Path) -> str:
    """Return the text of a regular file.

    Raises OSError, and ValueError if the file is not regular, too large or not UTF-8.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # reading a pipe blocks, a device may never end
        raise ValueError("not a regular file")
    if status.st_size > _LARGEST:
        raise ValueError(f"{status.st_size} bytes; at most {_LARGEST} are read")
    return path.read_text(encoding="utf-8")


def read_plain_json(path: Path) -> Any:
    """Return the value in a JSON file. Raises OSError, and ValueError if it holds none."""
    try:
        return json.loads(read_plain_text(path))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def read_plain_yaml(path: Path, references: bool = False) -> dict[str, Any]:
    """Return the mapping of plain types in a YAML file. Raises OSError, and ValueError.

    ValueError also refuses three things: aliases, since a few lines of them can fill the memory;
    deep nesting, which overflows libyaml's stack; and, unless ``references``, interpolations, which
    OmegaConf would resolve from the environment of this process.
    """
    text = read_plain_text(path)
    try:
        depth = 0
        for event in yaml.parse(text, _Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > _DEEPEST:
                raise ValueError("aliases (*) in it, or nested too deeply")
        options = yaml.load(text, _Loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if not isinstance(options, dict):
        raise ValueError("no mapping of options")
    if not references and "${" in json.dumps(options, default=str, skipkeys=True):
        raise ValueError("an interpolation (${...}) in it")
    return options
