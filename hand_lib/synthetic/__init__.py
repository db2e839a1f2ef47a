"""Synthetic hands: an articulated 21-joint hand, rendered with its annotations by batched PyTorch. No files to load.

:func:`render` gives finished :class:`~hand_lib.samples.Samples`; the pieces it is made of can be used one by one:

======================================  ==========================================================================
:func:`sample_hands`                    who, in what pose, left or right: :class:`HandParameters`
:func:`sample_scenes`                   camera, light, clothes, things, background: :class:`SceneParameters`
:func:`forward_kinematics`              bones of a :class:`HandShape` in a :class:`HandPose` to joints ``(B, 21, 3)``
:func:`pose_hand`                       the same with the skin: joints, vertices, normals, faces, parts
:func:`hand_surface`                    the skin at rest and what binds it to the bones
:func:`rasterise`, :func:`barycentric`  triangles to a buffer of nearest fragments, and back to a point on each
:func:`render_scene`                    hands and scenes of your choosing to samples
:func:`color_mask`                      a part mask as a picture in the book's finger colours
======================================  ==========================================================================

Hands are drawn in three splits, :data:`SPLITS`: see :func:`sample_hands`. Their poses are relaxed until no finger lies
in another body (``hand_lib.synthetic.contact``). Rays from camera to hand are uniform over a cap or the whole sphere,
and wrists are bent until no forearm stands in the way (``hand_lib.synthetic.views``).

``hand_lib.synthetic.anatomy`` works in the frame of a right hand (mm; x to the thumb, y to the fingers, z out of the
palm); everything in samples is in the camera's frame (x right, y down, z forward). To pose a hand by hand::

    pose = dataclasses.replace(HandPose.zero(), flexion=flexion)          # (1, 5, 3) radians
    joints, frames = forward_kinematics(HandShape.mean(), limit_pose(pose))

Classes of the mask are RHD's: 0 background and objects, 1 person (forearm, sleeve, a bystander's hand), 2–16 left
thumb, index, … little finger, each tip → palm, 17 left palm, 18–33 the same of a right hand.

``DATA_VERSION`` changes whenever the pictures change: caches and records of runs hold it.
"""

from hand_lib.synthetic.anatomy import HandPose, HandShape, forward_kinematics, limit_pose
from hand_lib.synthetic.annotation import color_mask
from hand_lib.synthetic.draws import SPLITS
from hand_lib.synthetic.hands import HandParameters, sample_hands
from hand_lib.synthetic.picture import PosedHands, pose_hand, render, render_scene
from hand_lib.synthetic.renderer import barycentric, rasterise
from hand_lib.synthetic.scene import EASY, OTHER_LOOK, WIDE, SceneConfig, SceneParameters, sample_scenes
from hand_lib.synthetic.surface import HandSurface, hand_surface, pose_surface

DATA_VERSION = "3"

__all__ = [
    "DATA_VERSION",
    "EASY",
    "OTHER_LOOK",
    "SPLITS",
    "WIDE",
    "HandParameters",
    "HandPose",
    "HandShape",
    "HandSurface",
    "PosedHands",
    "SceneConfig",
    "SceneParameters",
    "barycentric",
    "color_mask",
    "forward_kinematics",
    "hand_surface",
    "limit_pose",
    "pose_hand",
    "pose_surface",
    "rasterise",
    "render",
    "render_scene",
    "sample_hands",
    "sample_scenes",
]
