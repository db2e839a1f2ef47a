"""FreiHAND and HO-3D: the viewers' joints and projections, and the evaluators of the two challenges."""

from __future__ import annotations

import ast
import contextlib
import importlib
import json
from pathlib import Path
from unittest import mock

import numpy as np
from lines import Line, measures
from material import HANDS, read_all, spied, submitted, wrong
from programs import old_open3d, picture_readers, program

from hand_lib import protocols, submissions
from hand_lib.datasets.real import HO3D, FreiHAND, freihand, ho3d
from hand_lib.datasets.real.imitations import write_freihand, write_ho3d


def compare_freihand(root: Path, folder: Path) -> list[Line]:
    """Joints, projection, pictures and versions of ``fh_utils.py``; scores of ``eval.py`` on our submission."""
    write_freihand(folder, HANDS)
    write_freihand(folder, HANDS, split="evaluation", versions=("gs",))
    nothing = [[[0.0, 0.0, 0.0]] * submissions.VERTICES] * HANDS
    (folder / "evaluation_verts.json").write_text(json.dumps(nothing))
    (folder / "training_mano.json").write_text(json.dumps([[0.0]] * HANDS))
    clone = "https://github.com/lmb-freiburg/freihand"
    versions = read_all(FreiHAND(root=folder, split="training", versions=freihand.VERSIONS))
    truth = read_all(FreiHAND(root=folder, split="evaluation"))
    pred = wrong(truth.xyz)
    with program(root, "eval.py", clone, {**picture_readers(), "open3d": old_open3d()}) as commit:
        tool, theirs = f"freihand {commit}", importlib.import_module("eval")
        Spied, returned = spied(theirs.EvalUtil)
        with mock.patch.dict(freihand.SPLITS, evaluation=HANDS):
            submitted(folder, lambda path: submissions.write_freihand(path, pred))
        with (
            mock.patch.object(theirs, "db_size", lambda name: HANDS),
            mock.patch.object(theirs, "EvalUtil", Spied),
            mock.patch.object(theirs, "createHTML", lambda *_: None),  # it is Python 2
            contextlib.chdir(folder),
        ):
            theirs.main(str(folder), str(folder), str(folder))
        K, _, xyz = zip(*theirs.load_db_annotation(str(folder), "training"), strict=True)
        uv = np.stack([theirs.projectPoints(*pair) for pair in zip(xyz, K, strict=True)])
        pictures = np.stack(
            [theirs.read_img(i, str(folder), "training", v) for v in freihand.VERSIONS for i in range(HANDS)]
        )
    first = versions[:HANDS]
    return [
        Line(tool=tool, what="joints", theirs=1000 * np.array(xyz), ours=first.xyz, unit="mm", within=1e-4),
        Line(tool=tool, what="joints in the picture", theirs=uv, ours=first.uv, unit="px", within=1e-4),
        Line(tool=tool, what="pictures of all versions", theirs=pictures.transpose(0, 3, 1, 2), ours=versions.images),
        *measures(tool, ["", "Procrustes"], returned, protocols.freihand_scores(pred, truth.xyz.double())),
    ]


def compare_ho3d(root: Path, folder: Path) -> list[Line]:
    """Joints, projection and pictures of ``vis_HO3D.py``; scores of ``eval.py`` on our submission."""
    write_ho3d(folder, "training", count=HANDS)
    write_ho3d(folder, "evaluation", count=HANDS)
    nothing = [[[0.0, 0.0, 0.0]] * submissions.VERTICES] * HANDS
    (folder / "evaluation_verts.json").write_text(json.dumps(nothing))
    clone = "https://github.com/shreyashampali/ho3d"
    reader = HO3D(root=folder, split="training", version=2)
    first = read_all(reader)
    truth = read_all(HO3D(root=folder, split="evaluation", version=2, truth=folder / "evaluation_xyz.json"))
    pred = wrong(truth.xyz)
    with program(root, "eval.py", clone, picture_readers()) as commit:
        tool, theirs = f"ho3d {commit}", importlib.import_module("eval")
        vis, predicting = importlib.import_module("utils.vis_utils"), importlib.import_module("pred")
        Spied, returned = spied(theirs.EvalUtil)
        with mock.patch.dict(ho3d.FRAMES[2], evaluation=HANDS):
            joints = submitted(folder, lambda path: submissions.write_ho3d(path, pred, version=2))
        with (
            mock.patch.object(theirs, "db_size", lambda *_, **__: HANDS),
            mock.patch.object(predicting, "db_size", lambda *_, **__: HANDS),
            mock.patch.object(theirs, "EvalUtil", Spied),
        ):
            theirs.main(str(folder), str(folder), str(folder), "v2")
            one_by_one = iter(joints)  # their own loop refuses what is not in OpenGL's axes
            zeros = np.zeros((submissions.VERTICES, 3))
            predicting.main(
                str(folder), str(folder / "p.json"), lambda *_: (next(one_by_one), zeros), "v2", "evaluation"
            )
        (order,) = (
            ast.literal_eval(node.value)  # the module itself asks for a licensed hand model
            for node in ast.parse((root / "vis_HO3D.py").read_text()).body
            if isinstance(node, ast.Assign) and node.targets[0].id == "jointsMapManoToSimple"
        )
        said = [vis.read_annotation(str(folder), *frame, "train") for frame in reader.items]
        uv = [vis.project_3D_points(one["camMat"], one["handJoints3D"])[order] for one in said]
        pictures = [vis.read_RGB_img(str(folder), *frame, "train")[..., ::-1] for frame in reader.items]
    names = ["", "Procrustes", "scale and translation"]
    return [
        Line(tool=tool, what="joints in the picture", theirs=np.stack(uv), ours=first.uv, unit="px", within=1e-3),
        Line(tool=tool, what="pictures", theirs=np.stack(pictures).transpose(0, 3, 1, 2), ours=first.images),
        *measures(tool, names, returned, protocols.ho3d_scores(pred, truth.xyz.double())),
    ]
