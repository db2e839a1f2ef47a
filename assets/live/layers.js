// The layers of a network on a machine of matrix.js: convolutions, linear layers, and the maps between them.
//
// Maps are {at, c, h, w}: an address in the machine's memory, channels, rows and columns. Vectors are Float32Arrays.
{
  const Live = (globalThis.Live ??= {});
  const EPSILON = 1e-5; // batch normalisation's, as PyTorch has it
  const up = (count, step) => Math.ceil(count / step) * step;
  const none = { shape: [0], data: new Float32Array() };

  Live.Layers = class {
    constructor(tensors, options) {
      this.tensors = tensors;
      this.machine = new Live.Machine(options);
      this.layers = {};
      this.places = {};
      this.columns = { at: 0, count: 0 };
    }

    has(name) {
      return Object.hasOwn(this.tensors, name);
    }

    tensor(name) {
      if (!this.has(name)) throw new Error(`the file lacks the tensor ${name}`);
      return this.tensors[name];
    }

    // A weight in float32. Rounded ones are int8, with a scale for each output row.
    weight(name, transposed) {
      const { shape, data } = this.tensor(`${name}.weight`);
      if (data instanceof Float32Array) return { shape, data };
      const scale = this.tensor(`${name}.scale`).data;
      const inner = transposed ? data.length / shape[0] / shape[1] : data.length / scale.length;
      const restored = new Float32Array(data.length);
      for (let i = 0; i < data.length; i++) restored[i] = data[i] * scale[Math.floor(i / inner) % scale.length];
      return { shape, data: restored };
    }

    // A layer, packed once: its weight as rows of outputs, and its bias. `norm` names the batch normalisation behind it,
    // which is folded in where the file has it; `part` is the number of one of several layers side by side.
    layer(name, { norm = null, transposed = false, part = null } = {}) {
      const key = part === null ? name : `${name}.${part}`;
      if (this.layers[key]) return this.layers[key];
      let { shape, data } = this.weight(name, transposed);
      let bias = (this.tensors[`${name}.bias`] ?? none).data;
      if (part !== null) {
        const [count, outputs] = shape;
        data = data.slice((part * data.length) / count, ((part + 1) * data.length) / count);
        bias = bias.slice(part * outputs, (part + 1) * outputs);
        shape = shape.slice(1);
      }
      const [outputs, inputs] = transposed ? [shape[1], shape[0]] : [shape[0], data.length / shape[0]];
      const cells = transposed ? shape[2] * shape[3] : 1; // of the kernel, each with rows of its own
      const factor = new Float32Array(outputs).fill(1);
      const shift = new Float32Array(outputs);
      shift.set(bias);
      if (norm && this.has(`${norm}.running_var`)) {
        const [scale, offset, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map((n) => this.tensor(`${norm}.${n}`).data);
        for (let o = 0; o < outputs; o++) {
          factor[o] = scale[o] / Math.sqrt(variance[o] + EPSILON);
          shift[o] = offset[o] + (shift[o] - mean[o]) * factor[o];
        }
      }
      const rows = up(outputs * cells, 4), machine = this.machine;
      const packedAt = machine.take(rows * inputs), biasAt = machine.take(rows);
      const packed = machine.view(packedAt, rows * inputs);
      for (let r = 0; r < outputs * cells; r++) {
        const o = Math.floor(r / cells), first = transposed ? r : r * inputs, step = transposed ? outputs * cells : 1;
        for (let k = 0, to = (r & ~3) * inputs + (r & 3); k < inputs; k++, to += 4) packed[to] = data[first + k * step] * factor[o];
      }
      if (!transposed) machine.view(biasAt, rows).set(shift);
      const kernel = transposed || shape.length === 4 ? shape.at(-1) : 1;
      return (this.layers[key] = { packedAt, biasAt, rows, outputs, inputs, kernel, shift });
    }

    // Room for what a layer gives, until it is asked again.
    place(name, count) {
      if (!(this.places[name]?.count >= count)) this.places[name] = { at: this.machine.take(count), count };
      return this.places[name].at;
    }

    room(count) {
      if (this.columns.count < count) this.columns = { at: this.machine.take(count), count };
      return this.columns.at;
    }

    maps(name, c, h, w, values) {
      const at = this.place(name, c * h * w);
      if (values) this.machine.view(at, c * h * w).set(values);
      return { at, c, h, w };
    }

    numbers({ at, c, h, w }) {
      return this.machine.view(at, c * h * w);
    }

    copy(x) {
      return this.numbers(x).slice();
    }

    product(layer, count, to, relu) { // the columns times a layer, into place `to`: rows of `count` numbers
      const { rows, inputs, packedAt, biasAt } = layer;
      this.machine.multiply(rows, up(count, 8), inputs, packedAt, this.columns.at, to, biasAt, relu);
    }

    conv(x, name, { norm = null, stride = 1, padding = 0, relu = false } = {}) {
      const layer = this.layer(name, { norm }), k = layer.kernel;
      const h = Math.floor((x.h + 2 * padding - k) / stride) + 1, w = Math.floor((x.w + 2 * padding - k) / stride) + 1;
      const N = h * w, P = up(N, 8), to = this.place(name, layer.rows * P);
      this.room(layer.inputs * P);
      const [H, W] = [x.h + 2 * padding, x.w + 2 * padding];
      const padded = padding ? this.place("padded", x.c * H * W) : x.at;
      if (padding) {
        const inner = this.numbers(x), all = this.machine.view(padded, x.c * H * W).fill(0);
        for (let c = 0; c < x.c; c++)
          for (let row = 0, from = c * x.h * x.w; row < x.h; row++, from += x.w) all.set(inner.subarray(from, from + x.w), (c * H + row + padding) * W + padding);
      }
      const from = this.machine.view(padded, x.c * H * W), columns = this.machine.view(this.columns.at, layer.inputs * P);
      const corner = Int32Array.from({ length: P }, (_, n) => (n < N ? Math.floor(n / w) * stride * W + (n % w) * stride : 0));
      for (let n = 0, q = 0; n < P; n += 8)
        for (let c = 0; c < x.c; c++)
          for (let row = 0; row < k; row++)
            for (let column = 0, i = (c * H + row) * W; column < k; column++, i++, q += 8)
              for (let lane = 0; lane < 8; lane++) columns[q + lane] = from[i + corner[n + lane]];
      this.product(layer, N, to, relu);
      if (P > N) this.closeUp(to, layer.outputs, N, P);
      return { at: to, c: layer.outputs, h, w };
    }

    closeUp(at, rows, N, P) {
      const all = this.machine.view(at, rows * P);
      for (let row = 1; row < rows; row++) all.copyWithin(row * N, row * P, row * P + N);
    }

    // A transposed convolution of stride 2 and padding 1 whose kernel has an even side, with a ReLU: each input cell
    // stamps its kernel.
    deconv(x, name, { norm }) {
      const layer = this.layer(name, { norm, transposed: true }), { kernel: k, outputs, shift } = layer;
      const N = x.h * x.w, P = up(N, 8), stamps = this.place(`${name}.stamps`, layer.rows * P);
      const [h, w] = [2 * x.h, 2 * x.w];
      const to = this.place(name, outputs * h * w);
      this.fill(N, x.c, (i, n) => i * N + n, x);
      this.product(layer, N, stamps, false);
      const from = this.machine.view(stamps, layer.rows * P), into = this.machine.view(to, outputs * h * w);
      const aside = k / 2 - 1;
      for (let o = 0; o < outputs; o++) {
        into.fill(shift[o], o * h * w, (o + 1) * h * w);
        for (let row = 0; row < k; row++)
          for (let column = 0; column < k; column++) {
            const r = ((o * k + row) * k + column) * P;
            for (let y = 0; y < x.h; y++) {
              const v = 2 * y + row - aside;
              if (v < 0 || v >= h) continue;
              for (let z = 0; z < x.w; z++) {
                const u = 2 * z + column - aside;
                if (u >= 0 && u < w) into[(o * h + v) * w + u] += from[r + y * x.w + z];
              }
            }
          }
      }
      for (let i = 0; i < into.length; i++) if (into[i] < 0) into[i] = 0;
      return { at: to, c: outputs, h, w };
    }

    // The columns of a product from values: number i of column n is values[index(i, n)], a Float32Array or maps.
    fill(count, inputs, index, values) {
      const P = up(count, 8);
      this.room(inputs * P);
      const numbers = values instanceof Float32Array ? values : this.numbers(values);
      const columns = this.machine.view(this.columns.at, inputs * P);
      for (let n = 0; n < P; n++)
        for (let i = 0, q = (n & ~7) * inputs + (n & 7); i < inputs; i++, q += 8) columns[q] = n < count ? numbers[index(i, n)] : 0;
    }

    // A linear layer on `count` vectors that stand behind each other; gives them likewise.
    linear(values, count, name, { relu = false, part = null, index = null } = {}) {
      const layer = this.layer(name, { part }), P = up(count, 8), to = this.place(`${name}.out`, layer.rows * P);
      if (!index && values.length !== count * layer.inputs) throw new Error(`${name} reads ${layer.inputs} numbers, not ${values.length / count}`);
      this.fill(count, layer.inputs, index ?? ((i, n) => n * layer.inputs + i), values);
      this.product(layer, count, to, relu);
      const from = this.machine.view(to, layer.rows * P), out = new Float32Array(count * layer.outputs);
      for (let n = 0; n < count; n++) for (let o = 0; o < layer.outputs; o++) out[n * layer.outputs + o] = from[o * P + n];
      return out;
    }

    // T of Eq. 3: two linear layers with a ReLU in between.
    mlp(values, count, name, { part = null, index = null } = {}) {
      const hidden = this.linear(values, count, `${name}.first`, { relu: true, part, index });
      return this.linear(hidden, count, `${name}.last`, { part });
    }

    maxpool(x, name) { // 3×3, stride 2, padding 1, of numbers that are not below 0
      const h = Math.floor((x.h - 1) / 2) + 1, w = Math.floor((x.w - 1) / 2) + 1;
      const y = this.maps(name, x.c, h, w), from = this.numbers(x), into = this.numbers(y);
      for (let c = 0, i = 0; c < x.c; c++)
        for (let row = 0; row < h; row++)
          for (let column = 0; column < w; column++, i++) {
            let most = 0;
            for (let v = Math.max(0, 2 * row - 1); v < Math.min(x.h, 2 * row + 2); v++)
              for (let u = Math.max(0, 2 * column - 1); u < Math.min(x.w, 2 * column + 2); u++) most = Math.max(most, from[(c * x.h + v) * x.w + u]);
            into[i] = most;
          }
      return y;
    }

    // Residual blocks name.0, name.1, …; the first one has the stride.
    blocks(x, name, stride) {
      for (let i = 0; this.has(`${name}.${i}.conv1.weight`); i++) {
        const block = `${name}.${i}`, step = i ? 1 : stride;
        const first = this.conv(x, `${block}.conv1`, { norm: `${block}.bn1`, stride: step, padding: 1, relu: true });
        const y = this.conv(first, `${block}.conv2`, { norm: `${block}.bn2`, padding: 1 });
        const aside = this.has(`${block}.downsample.0.weight`)
          ? this.conv(x, `${block}.downsample.0`, { norm: `${block}.downsample.1`, stride: step })
          : x;
        const [sum, other] = [this.numbers(y), this.numbers(aside)];
        for (let k = 0; k < sum.length; k++) sum[k] = Math.max(0, sum[k] + other[k]);
        x = y;
      }
      return x;
    }
  };
}
