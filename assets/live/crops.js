// Pictures and cameras as hand_lib.camera and hand_lib.datasets.augmentation have them: the crop that a network sees,
// where the true joints are in it, and answers in millimetres.
{
  const Live = (globalThis.Live ??= {});
  const JOINTS = 21, ROOT = 9, NEXT = 10, MARGIN = 1.2;

  // Matrices of 3×3 with a last row of (0, 0, 1) are their first six numbers.
  Live.inverse = ([a, b, c, d, e, f]) => {
    const det = a * e - b * d;
    return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
  };

  // Source pixels to pixels of the crop. box: u0, v0, u1, v1, from outer edge to outer edge. How the crop is moved:
  // right and down in its pixels, turned by radians (clockwise), magnified.
  Live.cropMatrix = ({ box: [u0, v0, u1, v1], right, side = MARGIN * Math.max(u1 - u0, v1 - v0) }, size, how = {}) => {
    const { rightward = 0, down = 0, turn = 0, zoom = 1 } = how;
    const [u, v] = [(u0 + u1) / 2, (v0 + v1) / 2], flip = right ? 1 : -1, scale = (zoom * size) / side;
    const [c, s] = [scale * Math.cos(turn), scale * Math.sin(turn)], middle = (size - 1) / 2;
    return [c * flip, -s, middle + rightward - c * flip * u + s * v, s * flip, c, middle + down - s * flip * u - c * v];
  };

  // A picture {pixels (3, h, w) of bytes, h, w} averaged over blocks; at the edges over what there is of them.
  const averaged = ({ pixels, h, w }, block) => {
    if (block === 1) return { pixels, h, w };
    const [H, W] = [Math.ceil(h / block), Math.ceil(w / block)], sums = new Float32Array(3 * H * W), counts = new Float32Array(H * W);
    for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) {
      const to = Math.floor(y / block) * W + Math.floor(x / block);
      counts[to]++;
      for (let c = 0; c < 3; c++) sums[c * H * W + to] += pixels[(c * h + y) * w + x];
    }
    return { pixels: sums.map((sum, i) => sum / counts[i % (H * W)]), h: H, w: W };
  };

  // The crop, (3, size, size) in [0, 1]: bilinear, black outside; a picture that shrinks is averaged before.
  Live.warp = (picture, matrix, size) => {
    const [a, b, , d, e] = matrix, shrinking = 1 / Math.sqrt(Math.abs(a * e - b * d));
    const block = Math.min(Math.max(1, Math.floor(shrinking + 1e-3)), Math.max(picture.h, picture.w));
    const { pixels, h, w } = averaged(picture, block), I = Live.inverse(matrix), out = new Float32Array(3 * size * size);
    const aside = (block - 1) / 2;
    for (let y = 0; y < size; y++) for (let x = 0; x < size; x++) {
      const u = (I[0] * x + I[1] * y + I[2] - aside) / block, v = (I[3] * x + I[4] * y + I[5] - aside) / block;
      const [left, top] = [Math.floor(u), Math.floor(v)];
      for (let j = 0; j < 2; j++) for (let i = 0; i < 2; i++) {
        const [column, row] = [left + i, top + j];
        if (column < 0 || row < 0 || column >= w || row >= h) continue;
        const weight = (i ? u - left : 1 - u + left) * (j ? v - top : 1 - v + top) / 255;
        for (let c = 0; c < 3; c++) out[(c * size + y) * size + x] += weight * pixels[(c * h + row) * w + column];
      }
    }
    return out;
  };

  // What is true of a hand in a crop: joints of the right hand (mm) and in pixels, the crop's camera, depth and length.
  Live.truth = (hand, matrix) => {
    const mirrored = matrix[0] * matrix[4] - matrix[1] * matrix[3] < 0, flip = mirrored ? -1 : 1, { K } = hand;
    const xyz = Float64Array.from(hand.xyz, (value, i) => (i % 3 ? value : flip * value));
    const row = ([a, b, c]) => [flip * (a * K[0] + b * K[3] + c * K[6]), a * K[1] + b * K[4] + c * K[7], a * K[2] + b * K[5] + c * K[8]];
    const camera = [...row(matrix.slice(0, 3)), ...row(matrix.slice(3))];
    const uv = Array.from({ length: JOINTS }, (_, i) => {
      const [x, y, z] = xyz.subarray(3 * i);
      return [(camera[0] * x + camera[1] * y + camera[2] * z) / z, (camera[3] * x + camera[4] * y + camera[5] * z) / z];
    });
    const [root, next] = [ROOT, NEXT].map((joint) => xyz.subarray(3 * joint, 3 * joint + 3));
    return { xyz, uv, camera, depth: root[2], bone: Math.hypot(root[0] - next[0], root[1] - next[1], root[2] - next[2]) };
  };

  // An answer in pixels of the crop, [[u, v], …], and in millimetres with the true depth and length.
  Live.toPixels = (Y, size) => Array.from({ length: JOINTS }, (_, i) => [0, 1].map((axis) => ((Y[3 * i + axis] + 1) / 2) * (size - 1)));
  Live.toMillimetres = (Y, { camera, depth, bone }, size) => {
    const I = Live.inverse(camera);
    return Float64Array.from(Live.toPixels(Y, size).flatMap(([u, v], i) => {
      const z = bone * Y[3 * i + 2] + depth;
      return [z * (I[0] * u + I[1] * v + I[2]), z * (I[3] * u + I[4] * v + I[5]), z];
    }));
  };
  Live.distances = (one, other) => // joint by joint, in the unit of both
    Array.from({ length: JOINTS }, (_, i) => Math.hypot(...[0, 1, 2].map((axis) => one[3 * i + axis] - other[3 * i + axis])));
  Live.mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

  // A hand in lengths of the scale bone, (63), root at 0, from joints in pixels and relative depths, as if it were seen
  // from far away: how large a pixel is, the bone's own length says (hand_lib.live.photographs).
  Live.fromAfar = (uv, depths) => {
    const [root, next] = [uv[ROOT], uv[NEXT]], leans = Math.min(Math.abs(depths[NEXT] - depths[ROOT]), 0.95);
    const unit = Math.hypot(next[0] - root[0], next[1] - root[1]) / Math.sqrt(1 - leans ** 2) || 1;
    return Float64Array.from(uv.flatMap(([u, v], i) => [(u - root[0]) / unit, (v - root[1]) / unit, depths[i] - depths[ROOT]]));
  };

  // The hands of the site's file, as hand_lib.samples has them.
  Live.hands = ({ tensors }) => {
    const [count, , h, w] = tensors.images.shape;
    const part = (name, i) => tensors[name].data.subarray((i * tensors[name].data.length) / count, ((i + 1) * tensors[name].data.length) / count);
    return Array.from({ length: count }, (_, i) => ({
      pixels: part("images", i), h, w, xyz: part("xyz", i), K: part("K", i), box: [...part("box", i)], right: part("right", i)[0] === 1,
    }));
  };
}
