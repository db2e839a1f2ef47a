// Named tensors as safetensors files hold them: the package's rounded networks, the hands, and a reader's own run.
{
  const Live = (globalThis.Live ??= {});
  const KINDS = { F32: Float32Array, I8: Int8Array, U8: Uint8Array, I64: BigInt64Array };

  // A file's tensors by name, each {shape, data}, and what it says of itself. Throws an Error for people.
  Live.readTensors = (buffer) => {
    const refuse = (why) => new Error(`this is no whole safetensors file: ${why}`);
    if (buffer.byteLength < 8) throw refuse("it is empty or cut short");
    const length = Number(new DataView(buffer).getBigUint64(0, true));
    if (length > buffer.byteLength - 8) throw refuse("its head is cut short");
    let about, entries;
    try {
      const { __metadata__, ...others } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
      about = __metadata__ ?? {};
      entries = Object.entries(others).map(([name, { dtype, shape, data_offsets: [from, to] }]) => {
        if (![...shape, from, to].every((n) => Number.isSafeInteger(n) && n >= 0)) throw new RangeError(name);
        return { name, dtype, shape, from, to, count: shape.reduce((product, n) => product * n, 1) };
      });
    } catch {
      throw refuse("its head cannot be read");
    }
    const tensors = {};
    for (const { name, dtype, shape, from, to, count } of entries) {
      const Kind = Object.hasOwn(KINDS, dtype) && KINDS[dtype];
      if (!Kind) throw new Error(`${name} is of the type ${dtype}, and this page reads ${Object.keys(KINDS).join(", ")}`);
      const bytes = count * Kind.BYTES_PER_ELEMENT;
      if (!(from >= 0 && to - from === bytes && 8 + length + to <= buffer.byteLength)) throw refuse(`${name} is cut short`);
      tensors[name] = { shape, data: new Kind(buffer.slice(8 + length + from, 8 + length + to)) };
    }
    return { about, tensors };
  };

  Live.fromBase64 = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return bytes;
  };

  const table = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n;
  });
  Live.crc32 = (bytes) => {
    let sum = -1;
    for (const byte of bytes) sum = table[(sum ^ byte) & 255] ^ (sum >>> 8);
    return (sum ^ -1) >>> 0;
  };

  // Files of the site come as scripts, since a page that is opened from the disk may not fetch; in parts, so that one
  // sees how far it is. A part says Live.part(name, number, text).
  const parts = {};
  Live.part = (file, number, text) => ((parts[file] ??= [])[number] = text);

  const opened = {};
  // One file of Live.files, read and checked once. arrived(bytes) is told of each part.
  Live.open = (name, arrived = () => {}) => {
    const file = Live.files?.[name];
    if (!file) return Promise.reject(new Error(`this site was built without ${name}`));
    return (opened[name] ??= fetched(name, file, arrived).catch((error) => {
      delete opened[name]; // the next try begins anew
      throw error;
    }));
  };
  const fetched = async (name, file, arrived) => {
    for (let i = 0; i < file.parts; i++) {
      if (!parts[name]?.[i]) await Live.script(`files/${name}.${i}.js`);
      if (!parts[name]?.[i]) throw new Error(`${name}.${i}.js is not what it should be`);
      arrived(file.bytes / file.parts);
    }
    let bytes;
    try {
      bytes = Live.fromBase64(parts[name].join(""));
    } catch {
      bytes = new Uint8Array();
    }
    delete parts[name];
    if (bytes.length !== file.bytes || Live.crc32(bytes) !== file.crc32) throw new Error(`the file of ${name} is damaged`);
    return Live.readTensors(bytes.buffer);
  };
}
