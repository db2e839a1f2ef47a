// Y = D(G(F(I))), Eq. 1, for the rows of JAR's table: what hand_lib.models computes, on the layers of layers.js.
{
  const Live = (globalThis.Live ??= {});
  const LARGEST = 512; // pixels of a picture's side: more would keep the page busy for minutes
  const short = (value) => String(value).slice(0, 80);
  const JOINTS = 21, MEAN = [0.485, 0.456, 0.406], DEVIATION = [0.229, 0.224, 0.225], EPSILON = 1e-5;

  // The network of a file that readTensors has read. Throws an Error for people, whatever is wrong with the file.
  Live.network = (file, options) => {
    try {
      return new Live.Network(file, options);
    } catch (error) {
      if (error.constructor === Error) throw error;
      throw new Error(`the tensors of this file are no ${short(file.about.row)} of this book`);
    }
  };

  // What a file's network is made of. The package's own say what they are made of. Of a reader's own run the site's
  // list says it, for the rows and sizes that the book has.
  const structureOf = ({ about }) => {
    if (about.structure) return JSON.parse(about.structure);
    if (!about.row || !about.network) throw new Error("this file is not a network of this book: it names no row");
    const asked = JSON.parse(about.network), rows = Object.keys(Live.structures[0].rows);
    if (!rows.includes(about.row)) throw new Error(`the row ${short(about.row)} cannot be drawn here, only ${rows.join(", ")}`);
    const found = Live.structures.find(({ network }) => Object.keys(network).every((name) => network[name] === asked[name]));
    if (!found) throw new Error(`${about.row} of this size cannot be drawn here: it is ${short(about.network)}`);
    return found.rows[about.row];
  };

  Live.Network = class extends Live.Layers {
    constructor(file, options) {
      super(file.tensors, options);
      this.about = file.about;
      this.structure = structureOf(file);
      this.side = this.structure.side; // of the picture, in pixels
      if (!Number.isInteger(this.side) || this.side < 16 || this.side > LARGEST) throw new Error(`its pictures would have ${short(this.side)} pixels a side, and this page computes 16 to ${LARGEST}`);
      const { Y } = this.forward(new Float32Array(3 * this.side ** 2)); // now, so that what is missing is known here
      if (!Y.every(Number.isFinite)) throw new Error("the file has a number that is not finite");
      // Weights are packed by now; of the tensors as they were read, names and shapes are enough.
      const packed = Object.keys(this.tensors).filter((name) => this.layers[name.replace(/[.]weight$/, "")]);
      for (const name of packed) this.tensors[name] = { shape: this.tensors[name].shape };
    }

    // What a row's heads say on average, (21, n·e), where the file tells it.
    get usual() {
      return this.tensors.usual?.data;
    }

    // A picture (3, side, side) in [0, 1] to {Y, X, F0, stages}. Y is (21, 3): u and v with −1 and +1 at the outer
    // pixels' centres, and the depth behind the root in lengths of the scale bone. Each stage is {Y, G, M, maps, told},
    // as far as the row has them.
    //
    // What comes between can be changed on the way; each is a function that returns what goes on:
    //   X(values, {c, h, w})    the feature maps, before the first stage reads them
    //   M(values, stage)        what the heads say, (21, n·e), before it is fused
    //   told(Y, stage)          what a stage hands on to stage `stage`
    //   maps(drawn, stage)      the maps drawn of it, [{kind, values (21, h, w)}], before stage `stage` sees them
    forward(image, { X: changeX = null, M: changeM = null, told: changeTold = null, maps: changeMaps = null } = {}) {
      const { middle, last } = this.backbone(image);
      if (changeX) this.numbers(last).set(changeX(this.copy(last), last));
      const out = { X: { ...last, values: this.copy(last) }, F0: { ...middle, values: this.copy(middle) }, stages: [] };
      out.stages.push(this.read(last, "", 1, changeM));
      this.structure.stages.forEach((kinds, i) => {
        const stage = i + 2, before = out.stages[i];
        const told = changeTold ? changeTold(before.Y.slice(), stage) : before.Y;
        let drawn = kinds.map((kind, k) => this.draw(kind, told, before.M, `refinements.${i}.maps.${k}`, out.F0));
        if (changeMaps) drawn = changeMaps(drawn.map((one) => ({ ...one, values: one.values.slice() })), stage);
        const seen = drawn.map(({ values }, k) => this.scaled(values, `refinements.${i}.scales.${k}`));
        const joined = this.maps(`joined.${i}`, middle.c + JOINTS * seen.length, middle.h, middle.w);
        const all = this.numbers(joined);
        all.set(out.F0.values);
        seen.forEach((values, k) => all.set(values, out.F0.values.length + k * values.length));
        const looked = this.conv(joined, `refinements.${i}.join`);
        const X = this.blocks(looked, `refinements.${i}.block`, this.structure.final);
        out.stages.push({ told, maps: drawn, ...this.read(X, `refinements.${i}.`, stage, changeM) });
      });
      out.Y = out.stages.at(-1).Y;
      return out;
    }

    // F: F⁰ and X.
    backbone(image) {
      const S = this.side, input = this.maps("image", 3, S, S), pixels = this.numbers(input);
      for (let i = 0, c = 0; c < 3; c++) for (let k = 0; k < S * S; k++, i++) pixels[i] = (image[i] - MEAN[c]) / DEVIATION[c];
      let x = this.conv(input, "backbone.conv1", { norm: "backbone.bn1", stride: 2, padding: 3, relu: true });
      if (this.structure.stem === 4) x = this.maxpool(x, "pooled");
      x = this.blocks(x, "backbone.layer1", 1);
      x = this.blocks(x, "backbone.layer2", 2);
      const middle = this.blocks(x, "backbone.layer3", 2);
      return { middle, last: this.blocks(middle, "backbone.layer4", this.structure.final) };
    }

    // G and D: one stage's answer, with what lies between.
    read(X, prefix, stage, changeM) {
      return this.decode(this.represent(X, `${prefix}representation`, this.structure.representation), prefix, stage, changeM);
    }

    // D: the answer to a representation, {G, M, Y, heatmaps} as far as the row has them.
    decode(G, prefix = "", stage = 1, changeM = null) {
      const name = `${prefix}decoder`, { decoder } = this.structure;
      if (decoder === "HandDecoder") return { G, Y: this.mlp(G, 1, `${name}.transform`) };
      if (decoder === "SharedDecoder") return { G, Y: this.mlp(G, JOINTS, `${name}.transform`) };
      if (decoder === "DecoderPerJoint") return { G, Y: this.perJoint(G, `${name}.transforms`) };
      if (decoder === "MultiHeadDecoder") {
        const said = this.heads(G, `${name}.transforms`), M = changeM ? changeM(said.slice(), stage) : said;
        return { G, M, Y: this.fused(M, prefix) };
      }
      if (decoder === "SoftArgmax" || decoder === "SharpSoftArgmax") return this.softArgmax(G, `${name}.log_sharpness`);
      throw new Error(`a ${decoder} cannot be computed here`);
    }

    // The fusion of Eq. 4: the answer to what the heads say, (21, n·e).
    fused(M, prefix = "") {
      return this.mlp(M, JOINTS, `${prefix}decoder.fusion`);
    }

    represent(X, name, kind) {
      if (kind === "FeatureMaps") return this.copy(X);
      if (kind === "Deconvolutions") {
        for (const i of [0, 3, 6]) X = this.deconv(X, `${name}.upsample.${i}`, { norm: `${name}.upsample.${i + 1}` });
        const maps = this.conv(X, `${name}.maps`);
        return { values: this.copy(maps), h: maps.h, w: maps.w };
      }
      const maps = this.conv(X, `${name}.project.conv`, { norm: `${name}.project.bn`, relu: true }), values = this.copy(maps);
      if (kind === "JointMaps") return values;
      if (kind !== "GlobalAverage" && kind !== "JointPooled") throw new Error(`${kind} cannot be computed here`);
      const cells = maps.h * maps.w;
      return Float32Array.from({ length: maps.c }, (_, c) => values.subarray(c * cells, (c + 1) * cells).reduce((sum, v) => sum + v, 0) / cells);
    }

    perJoint(G, name) {
      const length = G.length / JOINTS, Y = new Float32Array(3 * JOINTS);
      for (let i = 0; i < JOINTS; i++) Y.set(this.mlp(G.subarray(i * length, (i + 1) * length), 1, name, { part: i }), 3 * i);
      return Y;
    }

    // M of Eq. 4: head j reads the j-th part of each joint's features.
    heads(G, name) {
      const [heads, , features] = this.tensors[`${name}.first.weight`].shape;
      const length = heads * features, spoken = [];
      for (let j = 0; j < heads; j++) spoken.push(this.mlp(G, JOINTS, name, { part: j, index: (i, n) => n * length + j * features + i }));
      const e = spoken[0].length / JOINTS, M = new Float32Array(JOINTS * heads * e);
      for (let j = 0; j < heads; j++)
        for (let i = 0; i < JOINTS; i++) M.set(spoken[j].subarray(i * e, (i + 1) * e), (i * heads + j) * e);
      return M;
    }

    // D of detection: where the heatmap is, and the depth map's mean there.
    softArgmax({ values, h, w }, sharpness) {
      const sharp = this.has(sharpness) ? this.tensor(sharpness).data : new Float32Array(JOINTS);
      const { beta, stride } = this.structure, cells = h * w, Y = new Float32Array(3 * JOINTS), weights = new Float32Array(JOINTS * cells);
      for (let i = 0; i < JOINTS; i++) {
        const logits = values.subarray(2 * i * cells, (2 * i + 1) * cells), depths = values.subarray((2 * i + 1) * cells, (2 * i + 2) * cells);
        const own = weights.subarray(i * cells, (i + 1) * cells), factor = beta * Math.exp(sharp[i]);
        let most = -Infinity, total = 0, column = 0, row = 0, depth = 0;
        for (const value of logits) most = Math.max(most, value);
        for (let k = 0; k < cells; k++) total += own[k] = Math.exp(factor * (logits[k] - most));
        for (let k = 0; k < cells; k++) {
          own[k] /= total;
          column += own[k] * (k % w);
          row += own[k] * Math.floor(k / w);
          depth += own[k] * depths[k];
        }
        Y.set([(2 * column * stride) / (this.side - 1) - 1, (2 * row * stride) / (this.side - 1) - 1, depth], 3 * i);
      }
      return { G: values, Y, heatmaps: { values: weights, h, w } };
    }

    // R, H or D of Eq. 5 and 6 from what is told, (21, h, w).
    draw({ kind, sigma }, Y, M, name, { h, w }) {
      if (kind === "RefineMaps") return { kind, values: this.mlp(M, JOINTS, `${name}.transform`) };
      const S = this.side, stride = 4 * this.structure.stem, values = new Float32Array(JOINTS * h * w);
      for (let i = 0; i < JOINTS; i++) {
        const along = [w, h].map((cells, axis) => {
          let place = ((Y[3 * i + axis] + 1) / 2) * ((S - 1) / stride);
          if (kind !== "Heatmaps") place -= Math.min(Math.max(place - (cells - 1), 0), (S - 1) / stride - (cells - 1));
          return Float64Array.from({ length: cells }, (_, cell) => {
            const off = cell - place;
            if (kind === "Heatmaps") return Math.exp(-((off / sigma) ** 2));
            return kind === "SplatDepthMaps" ? Math.max(0, 1 - Math.abs(off)) : Math.floor(0.5 - off) === 0 ? 1 : 0;
          });
        });
        const height = kind === "Heatmaps" ? 1 : Y[3 * i + 2];
        for (let row = 0; row < h; row++) for (let column = 0; column < w; column++) values[(i * h + row) * w + column] = height * along[1][row] * along[0][column];
      }
      return { kind, values };
    }

    scaled(values, name) { // each joint's maps to a mean of 0 and a variance of 1, as in training
      const mean = this.tensor(`${name}.running_mean`).data, variance = this.tensor(`${name}.running_var`).data;
      const cells = values.length / JOINTS;
      return values.map((value, k) => (value - mean[Math.floor(k / cells)]) / Math.sqrt(variance[Math.floor(k / cells)] + EPSILON));
    }
  };
}
