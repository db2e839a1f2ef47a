"""Synthetic hands on disk as the public data sets lie there: a few each, in their formats, orders, units and axes.

Each writer is made from what the data set's authors say of their files, not from the readers: the permutations, the
cameras and the changes of axes stand here a second time. It returns what a reader should find.

All take ``studio``, the rendered hands (by default a few small ones), ``order`` of the joints in the file, ``change``,
what is done to them beside, and ``pictures``: whether pictures are written, or lie there from before. With another
order or a change, a folder is wrong in a way in which folders are wrong.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from hand_lib.datasets.real.shots import Shot, Studio, small_studio

# Where each data set keeps a canonical joint, finger by finger as its authors list them.
THUMB, INDEX, MIDDLE, RING, LITTLE = (list(range(first, first + 4)) for first in (1, 5, 9, 13, 17))
RHD_LIST = [0, *(joint for finger in (THUMB, INDEX, MIDDLE, RING, LITTLE) for joint in reversed(finger))]
STB_LIST = [0, *LITTLE, *RING, *MIDDLE, *INDEX, *THUMB]
_FOUR = (INDEX, MIDDLE, LITTLE, RING, THUMB)
HO3D_LIST = [0, *(joint for finger in _FOUR for joint in finger[:3]), 4, 8, 12, 16, 20]

BB = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]])
SK = np.array([[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1]])
DEXTER = np.array([[587.45209, 0, 325], [0, 600.67456, 249], [0, 0, 1]])


def save(path: Path, picture: np.ndarray, wanted: bool = True, **options) -> None:
    if not wanted:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".png":
        options.setdefault("compress_level", 1)
    Image.fromarray(picture).save(path, **options)


# ---------------------------------------------------------------------------------------------------------------- RHD


def write_rhd(
    root: Path,
    split: str = "training",
    count: int = 3,
    *,
    order: list[int] = RHD_LIST,
    change: Callable[[np.ndarray], np.ndarray] = lambda metres: metres,
    dump: Callable[[object], bytes] = pickle.dumps,
    pictures: bool = True,
    studio: Studio | None = None,
) -> list[dict[str, Shot]]:
    """Frames with a left and a right hand, one over the other in turn. Returns both of each frame, by side.

    Args:
        root: the folder to be.
        split: "training" or "evaluation".
        count: how many frames.
        order, change, pictures, studio: see above; joints in metres.
        dump: what makes a pickle of the frames.
    """
    studio, frames, truth = studio or small_studio(), {}, []
    for number in range(count):
        f = 299.0 + number % 12
        K = np.array([[f, 0, 160], [0, f, 160], [0, 0, 1]])
        left, right = (
            studio.shot(number, right=side, K=K, size=(320, 320), toward=(205, 165) if side else (115, 155))
            for side in (False, True)
        )
        under, over = (left, right) if number % 2 else (right, left)
        mask = np.where(over.mask > 0, over.mask, under.mask)
        hands = {"left": left, "right": right}
        seen = {side: replace(one, mask=mask) for side, one in hands.items()}
        save(
            root / split / "color" / f"{number:05d}.png",
            np.where(over.mask[..., None] > 0, over.image, under.image),
            pictures,
        )
        save(root / split / "mask" / f"{number:05d}.png", mask, pictures)
        xyz = np.concatenate([change(one.xyz[order] / 1000) for one in (left, right)])
        uv = np.concatenate([one.uv[order] for one in (left, right)])
        visible = np.concatenate([_on(one.own, one.uv)[order] for one in seen.values()])
        frames[number] = {"xyz": xyz, "uv_vis": np.concatenate([uv, visible[:, None]], 1), "K": K}
        truth.append(seen)
    (root / split / f"anno_{split}.pickle").write_bytes(dump(frames))
    return truth


def _on(own: np.ndarray, uv: np.ndarray) -> np.ndarray:
    """``(21,)`` 0 or 1: the joint's pixel shows the hand."""
    u, v = np.rint(uv).astype(int).T
    inside = (u >= 0) & (v >= 0) & (u < own.shape[1]) & (v < own.shape[0])
    return (inside & own[np.where(inside, v, 0), np.where(inside, u, 0)]).astype(float)


# ---------------------------------------------------------------------------------------------------------------- STB

STB_SEQUENCES = [f"B{n}{kind}" for n in range(1, 7) for kind in ("Counting", "Random")]


def write_stb(
    root: Path,
    sequences: tuple[str, ...] = ("B1Counting", "B1Random"),
    count: int = 2,
    *,
    order: list[int] = STB_LIST,
    change: Callable[[np.ndarray], np.ndarray] = lambda millimetres: millimetres,
    images: str = "images",
    pictures: bool = True,
    studio: Studio | None = None,
) -> dict[tuple[str, str], list[Shot]]:
    """Returns the hands by sequence and view, each in the frame of the view's camera.

    The middle of the palm is put halfway from the ring finger's knuckle to the wrist.
    """
    # Rodrigues' formula: turn about the unit vector k by the angle a.
    rotation = np.array([0.00531, -0.01196, 0.00301])
    a = np.linalg.norm(rotation)
    k = rotation / a
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    to_depth = np.eye(3) + np.sin(a) * cross + (1 - np.cos(a)) * cross @ cross
    shift = np.array([-24.0381, -0.4563, -1.2326])
    studio, truth = studio or small_studio(), {}
    for place, name in enumerate(sequences):
        folder = root / images / name if images else root / name
        labels = {"BB": [], "SK": []}
        for frame in range(count):
            number = place * count + frame
            bb = studio.shot(number, right=False, K=BB, size=(480, 640), toward=(420, 250))
            sk = studio.shot(number, right=False, K=SK, size=(480, 640), toward=(330, 240))
            far = replace(bb, xyz=bb.xyz - [120.054, 0, 0])
            for view, one in (("BB left", bb), ("BB right", far), ("SK color", sk)):
                truth.setdefault((name, view), []).append(one)
                save(folder / f"{view.replace(' ', '_')}_{frame}.png", one.image, pictures)
            labels["BB"].append(_palm_first(bb.xyz))
            labels["SK"].append(_palm_first(sk.xyz) @ to_depth.T + shift)
        for kind, joints in labels.items():
            (root / "labels").mkdir(parents=True, exist_ok=True)
            stored = np.stack([change(one[order]) for one in joints]).transpose(2, 1, 0)  # 3 × 21 × N
            savemat(root / "labels" / f"{name}_{kind}.mat", {"handPara": stored})
    return truth


def _palm_first(xyz: np.ndarray) -> np.ndarray:
    return np.concatenate([(xyz[:1] + xyz[13:14]) / 2, xyz[1:]])


# ----------------------------------------------------------------------------------------------------------- FreiHAND


def write_freihand(
    root: Path,
    count: int = 3,
    *,
    versions: tuple[str, ...] = ("gs", "hom", "sample", "auto"),
    split: str = "training",
    joints: bool = True,
    order: list[int] = list(range(21)),  # noqa: B006 (it is only read)
    change: Callable[[np.ndarray], np.ndarray] = lambda metres: metres,
    pictures: bool = True,
    studio: Studio | None = None,
) -> list[Shot]:
    """Returns the hands. Each version is the picture in another brightness.

    As in FreiHAND, each hand has a camera matrix of its own; its joints take up to 60 % of the picture's side.
    """
    studio, truth = studio or small_studio(), []
    for number in range(count):
        f = 0.6 * 224 / studio.spread(number, right=True)
        K = np.array([[f, 0, 112.0], [0, f, 112.0], [0, 0, 1]])
        one = studio.shot(number, right=True, K=K, size=(224, 224), toward=(112, 112))
        truth.append(one)
        for version in versions:
            place = ("gs", "hom", "sample", "auto").index(version)
            name = f"{number + 32560 * place:08d}.jpg"
            save(root / split / "rgb" / name, one.image // (place + 1), pictures, quality=95)
        if split == "training":
            white = (one.own[..., None] * np.full(3, 255)).astype(np.uint8)
            save(root / split / "mask" / f"{number:08d}.jpg", white, pictures, quality=95)
    xyz = [change(one.xyz[order] / 1000) for one in truth]
    said = {"K": [one.K.tolist() for one in truth]}
    said["scale"] = [float(np.linalg.norm(one.xyz[9] - one.xyz[10]) / 1000) for one in truth]
    if joints:
        said["xyz"] = [one.tolist() for one in xyz]
    for name, content in said.items():
        (root / f"{split}_{name}.json").write_text(json.dumps(content))
    return truth


# -------------------------------------------------------------------------------------------------------------- HO-3D


def write_ho3d(
    root: Path,
    split: str = "training",
    version: int = 2,
    count: int = 3,
    *,
    order: list[int] = HO3D_LIST,
    change: Callable[[np.ndarray], np.ndarray] = lambda metres: metres,
    dump: Callable[[object], bytes] = pickle.dumps,
    pictures: bool = True,
    studio: Studio | None = None,
) -> list[Shot]:
    """Returns the hands in the order of the list, which is not that of the frames.

    A frame that the list leaves out lies between them, with nothing in its fields. The evaluation's joints are written
    to ``evaluation_xyz.json`` besides.
    """
    folder = root / ("train" if split == "training" else "evaluation")
    suffix = {2: "png", 3: "jpg"}[version]
    studio, truth, lines, published = studio or small_studio(), [], [], []
    for number in reversed(range(count)):
        K = np.array([[614.627, 0, 320.262], [0, 614.101, 238.469], [0, 0, 1]])
        one = studio.shot(number, right=True, K=K, size=(480, 640), toward=(300 + 20 * (number % 12), 250))
        sequence, frame = f"ABF1{number % 2}", f"{2 * number:04d}"
        save(folder / sequence / "rgb" / f"{frame}.{suffix}", one.image, pictures)
        opengl = one.xyz / 1000 * [1, -1, -1]
        joints = change(opengl[order])
        said = {"objTrans": np.zeros(3), "objRot": np.zeros((3, 1)), "camMat": K, "objName": "021_bleach_cleanser"}
        if split == "training":
            said |= {"handJoints3D": joints, "handPose": np.zeros(48), "handTrans": np.zeros(3), "objLabel": 12}
            said |= {"handBeta": np.zeros(10), "objCorners3D": np.zeros((8, 3)), "objCorners3DRest": np.zeros((8, 3))}
        else:
            v, u = one.own.nonzero()
            said |= {"handJoints3D": change(opengl[:1])[0]}
            said |= {"handBoundingBox": [int(u.min()), int(v.min()), int(u.max()), int(v.max())]}
            published.append(joints.tolist())
        meta = folder / sequence / "meta"
        meta.mkdir(parents=True, exist_ok=True)
        (meta / f"{frame}.pkl").write_bytes(dump(said))
        (meta / f"{2 * number + 1:04d}.pkl").write_bytes(dump(dict.fromkeys(said)))
        lines.append(f"{sequence}/{frame}\n")
        truth.append(one)
    (root / f"{folder.name}.txt").write_text("".join(lines))
    if split == "evaluation":
        (root / "evaluation_xyz.json").write_text(json.dumps(published))
    return truth


# ------------------------------------------------------------------------------------------------------ Dexter+Object


def write_dexter(
    root: Path,
    sequences: tuple[str, ...] = ("Grasp1", "Rotate"),
    count: int = 2,
    *,
    order: tuple[int, ...] = (4, 8, 12, 16, 20),
    change: Callable[[np.ndarray], np.ndarray] = lambda millimetres: millimetres,
    pictures: bool = True,
    studio: Studio | None = None,
) -> dict[str, list[Shot]]:
    """Returns the hands by sequence, in the colour camera's frame. The first frame's ring finger's tip is not seen."""
    turn = np.array([[0.9999, 0.0034, 0.0161], [-0.0033, 1.0, -0.0079], [-0.0162, 0.0079, 0.9998]])
    shift = np.array([19.0473, -1.8514, -4.7501])
    studio, truth = studio or small_studio(), {}
    for place, name in enumerate(sequences):
        lines = []
        for frame in range(count):
            one = studio.shot(place * count + frame, right=False, K=DEXTER, size=(480, 640), toward=(330, 250))
            save(root / "data" / name / "color" / f"Color_{frame + 1:04d}.bmp", one.image, pictures)
            tips = change(np.linalg.solve(turn, (one.xyz[list(order)] - shift).T).T * [-1, -1, 1])
            cells = ["{:.6f}, {:.6f}, {:.6f}".format(*tip) for tip in tips]
            if frame == 0:
                cells[3] = "0, 0, 32001"
            lines.append("; ".join([*cells, "12.5, -3.0, 600.0", "13.5, -3.0, 600.0", "12.5, -9.0, 610.0"]) + ";\n")
            truth.setdefault(name, []).append(one)
        (root / "data" / name / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "data" / name / "annotations" / f"{name}3D.txt").write_text("".join(lines))
    return truth
