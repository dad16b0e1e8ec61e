"""Random generators whose draws depend on (seed, stream, step) alone."""

import hashlib

import torch


def seed_of(seed: int, stream: str, step: int) -> int:
    """63 bits that depend on (seed, stream, step) alone."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(
    seed: int, stream: str, step: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator that depends on (seed, stream, step) alone, so that a resumed run draws what it
    would have drawn."""
    return torch.Generator(device).manual_seed(seed_of(seed, stream, step))
