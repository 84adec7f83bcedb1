"""Procedural rooms of boxes and balls: clips, and a data set of them.

Nothing outside imports a file of this package.
"""

from data_pipelines.rooms.clips import RoomClip, render_clip
from data_pipelines.rooms.scenes import RoomOptions, plan

__all__ = ["RoomClip", "RoomOptions", "plan", "render_clip"]
