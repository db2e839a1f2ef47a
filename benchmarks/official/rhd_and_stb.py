"""RHD and STB: the readers and the evaluator of RHD's authors, and the groups paper's."""

from __future__ import annotations

import contextlib
import importlib
import runpy
import struct
import sys
import types
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from lines import Line
from material import HANDS, read_all, wrong
from PIL import Image
from programs import module, program

from hand_lib import metrics, protocols
from hand_lib.camera import from_25d, project, to_25d
from hand_lib.datasets.real import RHD, STB
from hand_lib.datasets.real.imitations import write_rhd, write_stb
from hand_lib.datasets.real.stb import VIEWS, read_labels
from hand_lib.errors import HandLibError
from hand_lib.skeleton import RHD_ORDER, SCALE_BONE, bone_lengths, to_canonical


def compare_hand3d(root: Path, folder: Path) -> list[Line]:
    """RHD and STB through their TensorFlow readers, and RHD's scores by ``EvalUtil`` as ``eval_full.py`` asks it."""
    try:
        tf = importlib.import_module("tensorflow.compat.v1")  # no part of this package's environment
    except ImportError as error:
        raise HandLibError("hand3d is a program for TensorFlow: pip install tensorflow-cpu") from error
    tf.disable_eager_execution()
    rhd_root = folder / "RHD_published_v2"
    write_rhd(rhd_root, "evaluation", HANDS)
    write_stb(folder, ("B1Counting", "B1Random"), HANDS // 2)
    (folder / "data" / "stb").mkdir(parents=True)
    rhd, stb = RHD(root=rhd_root, split="evaluation"), STB(root=folder, split="evaluation")
    pictures = {
        "scipy.misc": module("scipy.misc", imread=lambda path: np.asarray(Image.open(path))),
        "tensorflow": tf,
    }
    clone = "https://github.com/lmb-freiburg/hand3d"
    with program(root, "create_binary_db.py", clone, pictures) as commit, contextlib.chdir(folder):
        tool = f"hand3d {commit}"
        pack = struct.pack
        with (  # of old libraries: a picture reader, and truth values that count as integers
            mock.patch.object(sys.modules["scipy"], "misc", pictures["scipy.misc"], create=True),
            mock.patch.object(struct, "pack", lambda form, one: pack(form, np.asarray(one).item())),
        ):
            runpy.run_path(str(root / "create_binary_db.py"))
        _stb_records(stb, folder / "data" / "stb" / "stb_eval.bin")
        of_rhd = _run(tf, "BinaryDbReader", len(rhd))
        of_stb = _run(tf, "BinaryDbReaderSTB", len(stb))
        general = importlib.import_module("utils.general")
        truth, frames = read_all(rhd), read_all(stb)
        pred = wrong(truth.xyz)
        evaluator = general.EvalUtil()
        for hand in zip(truth.xyz.double() / 1000, truth.visible, pred / 1000, strict=True):
            evaluator.feed(*(tensor.numpy() for tensor in hand))
        mean, median, _, curve, thresholds = evaluator.get_measures(0.0, 0.050, 20)
        area = general.calc_auc(thresholds[8:], curve[8:])
    own = {score.name: score.value for score in protocols.rhd_scores(pred, truth.xyz.double(), truth.visible)}
    lines = []
    for name, theirs, ours in (("RHD", of_rhd, truth), ("STB", of_stb, frames)):
        joints = 1000 * _canonical(theirs["keypoint_xyz21"])
        bone, scale = bone_lengths(ours.xyz)[:, SCALE_BONE[1] - 1], 1000 * theirs["keypoint_scale"].flatten()
        lines += [
            Line(tool=tool, what=f"{name}: joints", theirs=joints, ours=ours.xyz, unit="mm", within=1e-3),
            Line(tool=tool, what=f"{name}: side", theirs=theirs["hand_side"][:, 1] > 0, ours=ours.right),
            Line(tool=tool, what=f"{name}: camera", theirs=theirs["cam_mat"], ours=ours.K, unit="px", within=1e-4),
            Line(
                tool=tool,
                what=f"{name}: scale",
                theirs=scale,
                ours=bone,
                unit="mm",
                within=1e-3,
            ),
        ]
    pixels = _canonical(of_rhd["keypoint_uv21"])
    seen = _canonical(of_rhd["keypoint_vis21"][..., None])[..., 0]
    return [
        *lines,
        Line(tool=tool, what="RHD: visible joints", theirs=seen, ours=truth.visible),
        Line(tool=tool, what="RHD: pixels, cut to integers", theirs=pixels, ours=truth.uv.trunc(), unit="px"),
        Line(tool=tool, what="mean error, visible", theirs=1000 * mean, ours=own["mean, visible"], unit="mm"),
        Line(tool=tool, what="median error, visible", theirs=1000 * median, ours=own["median, visible"], unit="mm"),
        Line(tool=tool, what="AUC 21.05–50 mm, visible", theirs=area, ours=own["AUC, visible, RHD's own"]),
    ]


def _run(tf: types.ModuleType, reader: str, count: int) -> dict[str, np.ndarray]:
    """So many records through one of their readers, in the order of the file."""
    wanted = ("keypoint_xyz21", "keypoint_vis21", "keypoint_uv21", "hand_side", "cam_mat", "keypoint_scale")
    with tf.Graph().as_default():
        data = getattr(importlib.import_module(f"data.{reader}"), reader)(mode="evaluation", shuffle=False).get()
        asked = {name: data[name] for name in wanted}
        with tf.Session() as session:
            coordinator = tf.train.Coordinator()
            threads = tf.train.start_queue_runners(sess=session, coord=coordinator)
            found = [session.run(asked) for _ in range(count)]
            coordinator.request_stop()
            coordinator.join(threads, stop_grace_period_secs=10, ignore_live_threads=True)
    return {
        name: np.concatenate([one[name].reshape(1, *one[name].squeeze().shape) for one in found]) for name in wanted
    }


def _stb_records(stb: STB, path: Path) -> None:
    """What their ``create_db.m`` writes of a picture, once more: labels as they are in the file, pixels, picture."""
    with path.open("wb") as file:
        for index, (sequence, view, frame) in enumerate(stb.items):
            labels = read_labels(Path(stb.root) / "labels" / f"{sequence}_BB.mat")[frame] + VIEWS[view].t
            uv = project(torch.from_numpy(labels), stb.annotation(index).K.double()).numpy()
            for joint in labels:
                file.write(struct.pack("3f", *joint))
            for joint in uv:
                file.write(struct.pack("3f", *joint, 1.0))
            file.write(stb.hand(index).image.permute(1, 2, 0).contiguous().numpy().tobytes())


def _canonical(joints: np.ndarray) -> np.ndarray:
    """``(N, 21, C)`` in RHD's order, which their readers make of STB's too."""
    return to_canonical(torch.from_numpy(np.asarray(joints)), RHD_ORDER).numpy()


def compare_groups(root: Path, folder: Path) -> list[Line]:
    """The groups paper's way from 2.5D to 3D and its scores, on RHD's hands."""
    write_rhd(folder, "evaluation", HANDS)
    truth = read_all(RHD(root=folder, split="evaluation"))
    pred = wrong(truth.xyz)
    clone = "https://github.com/moranli-aca/LearnableGroups-Hand"
    uv, z, z_root, scale = to_25d(truth.xyz.double(), truth.K.double())
    with program(root, "eval_RHD.py", clone, {}) as commit:
        tool, theirs = f"LearnableGroups-Hand {commit}", importlib.import_module("eval_RHD")
        K = truth.K.double().clone()
        K[:, 2, 2] = z_root  # where their readers put it
        xyz = theirs.P2W(torch.cat([uv, z[..., None]], dim=-1), K, scale)
        evaluator = theirs.EvalUtil()
        for pair in zip((pred / 1000).split(2), (truth.xyz.double() / 1000).split(2), strict=True):
            evaluator.feed(*(tensor.numpy() for tensor in pair))
        mean, median, whole, curve, thresholds = evaluator.get_measures(0.0, 0.050, 20)
        area = theirs.calc_auc(thresholds[8:] * 1e3, curve[8:])
    own = {score.name: score.value for score in protocols.rhd_scores(pred, truth.xyz.double(), truth.visible)}
    coarse = metrics.auc(metrics.joint_errors(pred, truth.xyz.double()), metrics.AucRange(0.0, 50.0, 20))
    lifted = from_25d(uv, z, truth.K.double(), z_root=z_root, scale=scale)
    return [
        Line(tool=tool, what="2.5D to 3D", theirs=xyz, ours=lifted, unit="mm"),
        Line(tool=tool, what="mean error", theirs=1000 * mean, ours=own["mean"], unit="mm"),
        Line(tool=tool, what="median error", theirs=1000 * median, ours=own["median, over joints"], unit="mm"),
        Line(tool=tool, what="AUC 0–50 mm, 20 thresholds", theirs=whole, ours=coarse),
        Line(tool=tool, what="AUC 21.05–50 mm", theirs=area, ours=own["AUC, groups paper's"]),
    ]
