"""Files of weights, fitted to a model: checkpoints as self-supervised programs write them.

Such a file may keep its state dict inside another dictionary, have a prefix before each name
(``module.``, ``backbone.``, ``encoder_q.``), number the model's layers instead of naming them, and
have another head or none. A model that another program has built differently is refused.
"""

import re
import warnings
from argparse import Namespace
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from crl.encoders.failures import first_line

_DEEPEST = 3  # dictionaries inside each other
_SHOWN = 3  # names in a message
# The slower or the weaker encoder of two: taken only if no other fits as well.
_SECOND = re.compile(r"momentum|student|target|ema|encoder_k|key", re.IGNORECASE)
_COMPILED = re.compile(r"(?<![^.])_orig_mod\.")  # torch.compile's part of a name
_FOREIGN = re.compile(r"GLOBAL ([\w.]+)")  # how torch names what weights_only refuses


class _Found(NamedTuple):
    """Tensors of a file that fit the model.

    ``place``: the keys that lead to their dictionary; ``prefix``: before each name; ``own``: the
    model's name of each name after the prefix; ``fitting``: how many of the needed ones fit.
    """

    place: str
    prefix: str
    own: dict[str, str]
    fitting: int
    tensors: dict[str, Tensor]

    @property
    def title(self) -> str:
        """How the names became the model's, for people; "" if they are the model's."""
        numbered = any(key != own for key, own in self.own.items())
        parts = [
            f"the tensors of {self.place!r} are read" if self.place else "",
            f"the prefix {self.prefix!r} is taken off" if self.prefix else "",
            "layers are found by their number" if numbered else "",
        ]
        return "; ".join(filter(None, parts))


def load_weights(model: nn.Module, file: str, name: str, head: str) -> list[str]:
    """Load a file's weights into the model; return lines that say what was renamed or left out.

    ``name`` is the model's, for messages; ``head`` its last layer, which the file need not have.
    Only tensors are loaded. Raises ValueError unless the file has every other tensor of the model
    in its shape and with numbers of its kind, and no further ones in these layers.
    """
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(
            f"weights: {file} is not a file; give random, download or a state dict's file"
        )
    found = _best(model, _read(path, file), head)
    if found is None:
        raise ValueError(f"weights: {file} does not hold a state dict of {name} (no tensors in it)")
    wanted = model.state_dict()
    state = {
        own: tensor
        for key, tensor in found.tensors.items()
        if key.startswith(found.prefix)
        and (own := found.own.get(key[len(found.prefix) :]))
        and not (_is_below(own, head) and tensor.shape != wanted[own].shape)
    }
    if faults := _faults(wanted, found, state, head):
        raise ValueError(
            f"weights: {file} does not hold a state dict of {name} ({'; '.join(faults)})"
        )
    _check_numbers(file, state, wanted)
    model.load_state_dict(state, strict=False)
    used = {found.prefix + key for key, own in found.own.items() if own in state}
    return _notes(file, found, [key for key in found.tensors if key not in used])


def _read(path: Path, file: str) -> Mapping[str, Any]:
    if path.stat().st_size == 0:
        raise ValueError(f"weights: {file} is empty (0 bytes)")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        # A Namespace of options is inert. TorchScript is refused with an error; no warning too.
        with torch.serialization.safe_globals([Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise ValueError(
            f"weights: {file}: to read safetensors, pip install safetensors"
        ) from error
    except Exception as error:  # torch raises many types for a damaged or foreign file
        foreign = _FOREIGN.search(str(error))
        raise ValueError(
            f"weights: {file} holds a {foreign[1]}, and only tensors are read; save them alone: "
            "torch.save(model.state_dict(), FILE)"
            if foreign
            else f"weights: {file} is not a file of a state dict ({_reason(error)})"
        ) from error
    if not isinstance(content, Mapping):
        raise ValueError(f"weights: {file} holds a {type(content).__name__}, not a state dict")
    return content


def _reason(error: Exception) -> str:
    """Return the first line of an error without torch's advice, which is for programmers."""
    line = first_line(error)
    return "it holds something other than tensors" if "weights_only" in line else line


def _best(model: nn.Module, content: Mapping[str, Any], head: str) -> _Found | None:
    """The dictionary and the prefix whose tensors fit the model best; None without tensors."""
    state = model.state_dict()
    children = [child for child, _ in model.named_children()]
    numbers = {child: str(number) for number, child in enumerate(children)}
    as_named = {name: name for name in state}
    # nn.Sequential(*model.children()) numbers the layers.
    as_numbered = {
        f"{numbers[child]}.{rest}": f"{child}.{rest}"
        for child, _, rest in (name.partition(".") for name in state)
        if child in numbers
    }
    found = []
    for place, tensors in _dictionaries(content):
        for own in (as_named, as_numbered):
            fitting = Counter(
                prefix
                for name, tensor in tensors.items()
                for prefix, rest in _splits(name)
                if rest in own
                and not _is_below(own[rest], head)
                and state[own[rest]].shape == tensor.shape
            )
            found += [_Found(place, p, own, n, tensors) for p, n in fitting.items()]
        found.append(_Found(place, "", as_named, 0, tensors))  # if nothing fits
    return max(
        found, key=lambda f: (f.fitting, not _SECOND.search(f.place + f.prefix)), default=None
    )


def _dictionaries(
    content: Mapping[str, Any], place: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the tensors of each dictionary with the keys that lead to it."""
    named = {name: value for name, value in content.items() if isinstance(name, str)}
    tensors = {
        _COMPILED.sub("", name): value for name, value in named.items() if isinstance(value, Tensor)
    }
    if tensors:
        yield "/".join(place), tensors
    for name, value in named.items():
        if isinstance(value, Mapping) and len(place) < _DEEPEST:
            yield from _dictionaries(value, (*place, name))


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield ("", "a.b"), ("a.", "b"): each prefix of a name with the rest."""
    parts = name.split(".")
    for count in range(len(parts)):
        yield "".join(f"{part}." for part in parts[:count]), ".".join(parts[count:])


def _faults(
    wanted: Mapping[str, Tensor], found: _Found, state: Mapping[str, Tensor], head: str
) -> list[str]:
    """What does not fit, in words: missing tensors, unexpected ones, other shapes."""
    missing = [
        name
        for name in wanted
        if name not in state
        and not _is_below(name, head)
        and not name.endswith(".num_batches_tracked")  # files of old versions lack this count
    ]
    layers = {key.partition(".")[0] for key, own in found.own.items()}
    layers -= {key.partition(".")[0] for key, own in found.own.items() if _is_below(own, head)}
    unexpected = [
        key
        for key in found.tensors
        if key.startswith(found.prefix)
        and (rest := key[len(found.prefix) :]) not in found.own
        and (rest.partition(".")[0] in layers or not found.fitting)
    ]
    shapes = [
        f"{name} {[*tensor.shape]} instead of {[*wanted[name].shape]}"
        for name, tensor in state.items()
        if tensor.shape != wanted[name].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    return [f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds if names]


def _check_numbers(file: str, state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raise ValueError for tensors that cannot be copied into the model's as they are."""
    unlike = [
        f"{name} is {_kind(tensor)}"
        for name, tensor in state.items()
        if tensor.is_meta
        or tensor.layout != torch.strided
        or (wanted[name].is_floating_point() and not tensor.is_floating_point())
    ]
    if unlike:
        raise ValueError(
            f"weights: {file} holds tensors of another kind than the model's dense floating-point "
            f"ones ({_some(unlike)}); save the trained weights"
        )
    broken = [
        name for name, tensor in state.items() if not tensor.to(wanted[name]).isfinite().all()
    ]
    if broken:
        raise ValueError(f"weights: {file} holds numbers that are not finite ({_some(broken)})")


def _kind(tensor: Tensor) -> str:
    """What a tensor holds, in words."""
    if tensor.is_meta:
        return "a shape without numbers (device meta)"
    sparse = "" if tensor.layout == torch.strided else "sparse "
    return f"{sparse}{str(tensor.dtype).removeprefix('torch.')}"


def _notes(file: str, found: _Found, left_out: Collection[str]) -> list[str]:
    said = [found.title] if found.title else []
    if left_out:
        said.append(f"{len(left_out)} of its tensors are left out ({_some(left_out)})")
    return [f"encoder.weights: {file}: {'; '.join(said)}"] if said else []


def _is_below(name: str, module: str) -> bool:
    return name.startswith(f"{module}.")


def _some(names: Collection[str]) -> str:
    return ", ".join([*list(names)[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])
