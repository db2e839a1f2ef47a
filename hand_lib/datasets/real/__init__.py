"""Real hands: readers of public data sets, as they lie on disk, in the package's conventions.

============================================================  ==================================================
:class:`~hand_lib.datasets.real.rhd.RHD`                      rendered, two hands a picture, masks of parts
:class:`~hand_lib.datasets.real.stb.STB`                      a left hand before two cameras
:class:`~hand_lib.datasets.real.freihand.FreiHAND`            right hands, each picture in four versions
:class:`~hand_lib.datasets.real.ho3d.HO3D`                    right hands that hold a thing, versions 2 and 3
:class:`~hand_lib.datasets.real.dexter_object.DexterObject`   fingertips, for evaluation
============================================================  ==================================================

Nothing is downloaded here: who has agreed to a data set's terms gives the folder. A reader is an index of hands that
is made without opening a picture. Its ``hand(i)`` is a :class:`~hand_lib.datasets.real.hands.Hand`: joints in
millimetres, in canonical order and OpenCV's axes, intrinsics, side, and the picture;
:func:`~hand_lib.datasets.real.hands.to_samples` makes a batch of several. Where public practice differs, the choice is
a field of the reader. :mod:`~hand_lib.datasets.real.checks` looks at a few hands and says in one line what is wrong
with unit, axes, order or side.

:mod:`~hand_lib.datasets.real.published` has the data sets by name, with the papers' choices;
:mod:`~hand_lib.datasets.real.inspection` says whether one is whole, and :mod:`~hand_lib.datasets.real.conversion` cuts
its hands out once, for trainings.

The files come from elsewhere, so none is trusted: pickles are read without running them
(:mod:`~hand_lib.datasets.real.pickles`), and what is damaged is named in one line.
"""

from hand_lib.datasets.real.checks import check_sample
from hand_lib.datasets.real.dexter_object import DexterObject
from hand_lib.datasets.real.freihand import FreiHAND
from hand_lib.datasets.real.hands import Annotation, Hand, Reader, to_samples
from hand_lib.datasets.real.ho3d import HO3D
from hand_lib.datasets.real.rhd import RHD
from hand_lib.datasets.real.stb import STB

__all__ = [
    "HO3D",
    "RHD",
    "STB",
    "Annotation",
    "DexterObject",
    "FreiHAND",
    "Hand",
    "Reader",
    "check_sample",
    "to_samples",
]
