"""Learnable joint groups (Li, Gao and Sang, AAAI 2021): one joint, one group; one group, features of its own.

Read in this order: :mod:`~hand_lib.models.groups.selectors`, which say what group each joint is in (Eq. 4–8);
:mod:`~hand_lib.models.groups.blocks` and :mod:`~hand_lib.models.groups.branches`, a branch a group and the fusion of
their features (Eq. 9); :mod:`~hand_lib.models.groups.decoding`, from every group's maps to one pose (Eq. 5);
:mod:`~hand_lib.models.groups.composition`, on a ResNet or on the paper's hourglass; and
:mod:`~hand_lib.models.groups.rows`. What stands in no table, to watch groups form and to train with given ones, is in
:mod:`~hand_lib.models.groups.probes`.

What neither paper tried stands apart: :mod:`~hand_lib.models.groups.joint_aware`, groups inside Joint-Aware Regression,
and :mod:`~hand_lib.models.groups.joint_aware_rows`.
"""
