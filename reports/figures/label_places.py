"""Placement of short labels beside points, without covering another label or a point.

Pure: points in, offsets out.
"""

from __future__ import annotations

import numpy as np

RADII = (9.0, 15.0, 22.0, 30.0, 39.0)  # points; a label of two digits is about 10 wide
DIRECTIONS = 16
ROOM = 9.5  # between the middles of two labels
CLEAR = 6.5  # between a label's middle and any point


def places(points_N2: np.ndarray) -> np.ndarray:
    """Find an offset for each point, `[N, 2]` in the points' own units.

    Candidates lie on circles around the point. The nearest free candidate is taken, point by point in the given order.
    Where none is free, the candidate with the most room is taken.
    """
    angles = np.linspace(0, 2 * np.pi, DIRECTIONS, endpoint=False) + np.pi / 4
    candidates_C2 = np.array([(r * np.cos(a), r * np.sin(a)) for r in RADII for a in angles])
    taken: list[np.ndarray] = []
    offsets = np.zeros_like(points_N2, dtype=np.float64)
    for index, point in enumerate(points_N2):
        middles_C2 = point + candidates_C2
        room_C = _nearest(middles_C2, points_N2) / CLEAR
        if taken:
            room_C = np.minimum(room_C, _nearest(middles_C2, np.array(taken)) / ROOM)
        free = np.flatnonzero(room_C >= 1)
        chosen = int(free[0]) if len(free) else int(room_C.argmax())
        offsets[index] = candidates_C2[chosen]
        taken.append(middles_C2[chosen])
    return offsets


def _nearest(from_C2: np.ndarray, to_N2: np.ndarray) -> np.ndarray:
    """Compute the distance of each point of `from_C2` to its nearest point of `to_N2`, shape `[C]`."""
    return np.asarray(np.linalg.norm(from_C2[:, None, :] - to_N2[None, :, :], axis=2).min(axis=1))
