"""The short hash that names a run or an evaluation. Imports nothing but the standard library."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def hash8(options: Mapping[str, Any]) -> str:
    """Return 8 hexadecimal digits over options of plain types."""
    return hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:8]
