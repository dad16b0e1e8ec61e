"""Random generators whose draws depend on (seed, stream, step) alone.

A resumed run therefore draws what an uninterrupted one would have drawn.
"""

import hashlib

import torch


def generator(
    seed: int, stream: str, step: int, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator that depends on (seed, stream, step) alone."""
    return torch.Generator(device).manual_seed(seed_of(seed, stream, step))


def seed_of(seed: int, stream: str, step: int) -> int:
    """A seed of 63 bits that depends on (seed, stream, step) alone."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
