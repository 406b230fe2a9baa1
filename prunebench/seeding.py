"""Seeds are names: a random stream is found by what it is for, never by the order in which things run."""

from __future__ import annotations

import hashlib
import json

ROOT = 0
"""The one root seed of all suites. Changing it changes every sampled number."""


def seed_of(purpose: str, repetition: int, *, epoch: int | None = None, root: int = ROOT) -> int:
    """63-bit seed of one random stream.

    Args:
        purpose: what the stream is for, such as `initialisation` or `mask/random`.
        repetition: which repetition; equal repetitions of different methods share initialisation and data.
        epoch: for training streams, so that a rewound run replays the same batches.
        root: root seed.
    """
    name = json.dumps([root, purpose, repetition, epoch])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
