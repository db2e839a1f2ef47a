// The one product that everything is made of: C = A·B + bias, and max(·, 0) if that is wanted. float32.
//
// A is M×K, packed in strips of four rows: A[m/4][k][4]. B is K×N, in strips of eight columns: B[n/8][k][8]. C is
// row-major. M is a multiple of 4 and N of 8. WebAssembly does four lanes at a time; its module is written here, word by
// word, so that no binary lies in the repository. Where there is no SIMD, plain JavaScript does the same.
{
  const Live = (globalThis.Live ??= {});

  // --- The module in words. Each function gives bytes; a "local" is a numbered variable of the function.
  const leb = (value) => {
    const bytes = [];
    for (;;) {
      const low = value & 127;
      value >>= 7;
      const done = (value === 0 && !(low & 64)) || (value === -1 && low & 64);
      bytes.push(done ? low : low | 128);
      if (done) return bytes;
    }
  };
  const size = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...size(value >>> 7)]);
  const section = (id, ...bytes) => [id, ...size(bytes.length), ...bytes];
  const text = (word) => [word.length, ...[...word].map((letter) => letter.charCodeAt(0))];

  const INT = 0x7f, LANES = 0x7b, END = 0x0b;
  const GIVEN = ["M", "N", "K", "A", "B", "C", "bias", "relu"];
  const INTS = ["m", "n", "k", "a", "b", "c", "row", "strip"];
  const ROWS = [0, 1, 2, 3];
  const SUMS = ROWS.flatMap((row) => [`sum${row}0`, `sum${row}1`]); // four rows of two times four lanes
  const VECTORS = ["left", "right", "one", "zero", ...SUMS];
  const local = [...GIVEN, ...INTS, ...VECTORS];

  const get = (name) => [0x20, local.indexOf(name)];
  const set = (name, value) => [...value, 0x21, local.indexOf(name)];
  const whole = (value) => [0x41, ...leb(value)];
  const add = (x, y) => [...x, ...y, 0x6a];
  const shift = (x, bits) => [...x, ...whole(bits), 0x74];
  const simd = (code) => [0xfd, ...size(code)];
  const load = (from, offset) => [...get(from), ...simd(0x00), 2, offset];
  const spread = (from, offset) => [...get(from), ...simd(0x09), 2, offset]; // one number into all four lanes
  const store = (to, offset, name) => [...get(to), ...get(name), ...simd(0x0b), 2, offset];
  const sum = (x, y) => [...get(x), ...y, ...simd(0xe4)];
  const times = (x, y) => [...get(x), ...get(y), ...simd(0xe6)];
  const larger = (x, y) => [...get(x), ...get(y), ...simd(0xe9)];
  const advance = (name, step) => set(name, add(get(name), whole(step)));
  const loop = (...code) => [0x03, 0x40, ...code.flat(), END];
  const again = (condition) => [...condition, 0x0d, 0];
  const below = (x, y) => [...get(x), ...get(y), 0x48];

  const multiply = [
    set("row", shift(get("N"), 2)),
    set("zero", [...simd(0x0c), ...Array(16).fill(0)]),
    loop( // over strips of four rows
      set("strip", get("B")),
      set("n", whole(0)),
      loop( // over strips of eight columns
        ...ROWS.flatMap((row) => [set(`sum${row}0`, spread("bias", 4 * row)), set(`sum${row}1`, get(`sum${row}0`))]),
        set("a", get("A")),
        set("b", get("strip")),
        set("k", get("K")),
        loop( // over what the two have in common
          set("left", load("b", 0)),
          set("right", load("b", 16)),
          ...ROWS.flatMap((row) => [
            set("one", spread("a", 4 * row)),
            set(`sum${row}0`, sum(`sum${row}0`, times("one", "left"))),
            set(`sum${row}1`, sum(`sum${row}1`, times("one", "right"))),
          ]),
          advance("a", 16),
          advance("b", 32),
          advance("k", -1),
          again(get("k")),
        ),
        [...get("relu"), 0x04, 0x40, ...SUMS.flatMap((name) => set(name, larger(name, "zero"))), END],
        set("c", add(get("C"), shift(get("n"), 2))),
        ...ROWS.flatMap((row) => [
          store("c", 0, `sum${row}0`),
          store("c", 16, `sum${row}1`),
          set("c", add(get("c"), get("row"))),
        ]),
        set("strip", get("b")),
        advance("n", 8),
        again(below("n", "N")),
      ),
      set("A", get("a")),
      advance("bias", 16),
      set("C", add(get("C"), shift(get("row"), 2))),
      advance("m", 4),
      again(below("m", "M")),
    ),
  ].flat();

  const module = () => {
    const variables = [2, INTS.length, INT, VECTORS.length, LANES];
    const body = [...variables, ...multiply, END];
    return new Uint8Array([
      0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
      ...section(1, 1, 0x60, GIVEN.length, ...GIVEN.map(() => INT), 0), // one type: eight numbers to nothing
      ...section(2, 1, ...text("js"), ...text("memory"), 2, 0, 1),
      ...section(3, 1, 0),
      ...section(7, 1, ...text("multiply"), 0, 0),
      ...section(10, 1, ...size(body.length), ...body),
    ]);
  };

  // --- The same in plain JavaScript, four rows and four columns at a time. Takes the memory's float32 numbers.
  const plain = (all, M, N, K, A, B, C, bias, relu) => {
    const sums = new Float64Array(16);
    for (let m = 0; m < M; m += 4)
      for (let n = 0; n < N; n += 4) {
        for (let i = 0; i < 16; i++) sums[i] = all[bias + m + (i >> 2)];
        let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15] = sums;
        let p = A + m * K, q = B + (n & ~7) * K + (n & 7);
        for (const end = p + 4 * K; p < end; p += 4, q += 8) {
          const b0 = all[q], b1 = all[q + 1], b2 = all[q + 2], b3 = all[q + 3];
          let a = all[p];
          s0 += a * b0, s1 += a * b1, s2 += a * b2, s3 += a * b3;
          a = all[p + 1];
          s4 += a * b0, s5 += a * b1, s6 += a * b2, s7 += a * b3;
          a = all[p + 2];
          s8 += a * b0, s9 += a * b1, s10 += a * b2, s11 += a * b3;
          a = all[p + 3];
          s12 += a * b0, s13 += a * b1, s14 += a * b2, s15 += a * b3;
        }
        const found = [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15];
        for (let i = 0; i < 16; i++) {
          const value = found[i];
          all[C + (m + (i >> 2)) * N + n + (i & 3)] = relu && value < 0 ? 0 : value;
        }
      }
  };

  class PlainMemory {
    buffer = new ArrayBuffer(64 * 65536);
    grow(pages) {
      const larger = new Uint8Array(this.buffer.byteLength + pages * 65536);
      larger.set(new Uint8Array(this.buffer));
      this.buffer = larger.buffer;
    }
  }

  // A memory of float32 numbers, and the product on it. Addresses count numbers, not bytes. A view lasts until the next
  // take(): the memory may then be another one.
  Live.Machine = class {
    constructor({ simd = true } = {}) {
      this.top = 64;
      this.simd = false;
      try {
        this.memory = new WebAssembly.Memory({ initial: 64 });
        if (simd) this.product = new WebAssembly.Instance(new WebAssembly.Module(module()), { js: this }).exports.multiply;
        this.simd = simd;
      } catch {
        this.memory ??= new PlainMemory(); // a browser without SIMD, or a page that forbids WebAssembly
      }
    }

    take(count) {
      const at = this.top;
      this.top += Math.ceil(count / 16) * 16;
      const lacking = this.top * 4 - this.memory.buffer.byteLength;
      if (lacking > 0) this.memory.grow(Math.ceil(lacking / 65536));
      return at;
    }

    view(at, count) {
      return new Float32Array(this.memory.buffer, at * 4, count);
    }

    multiply(M, N, K, A, B, C, bias, relu) {
      if (M % 4 || N % 8 || !K) throw new Error(`no product of ${M}×${K} and ${K}×${N}: it is not padded`);
      if (this.simd) this.product(M, N, K, A * 4, B * 4, C * 4, bias * 4, relu ? 1 : 0);
      else plain(new Float32Array(this.memory.buffer), M, N, K, A, B, C, bias, relu);
    }
  };
}
