"""Annotated hands: every dataset as :class:`hand_lib.samples.Samples`, and the crops that networks are trained on.

:mod:`~hand_lib.datasets.synthetic` renders its samples here, so nothing needs to be downloaded;
:mod:`~hand_lib.datasets.augmentation` turns samples of any dataset into crops of right hands with training targets;
:mod:`~hand_lib.datasets.part_maps` reads the renderer's masks and depth maps at the cells of such crops;
:mod:`~hand_lib.datasets.real` reads public data sets from where they lie on disk;
:mod:`~hand_lib.datasets.shards` keeps samples in files, :mod:`~hand_lib.datasets.mapped` takes them from there, and
:mod:`~hand_lib.datasets.workers` shares the making of them among processes.
"""
