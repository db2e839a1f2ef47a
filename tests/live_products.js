// Products of random matrices, by WebAssembly and in plain JavaScript. See tests/test_live_networks.py.
(Live, { products }) =>
  products.map(({ M, N, K, A, B, bias, relu }) =>
    [true, false].map((simd) => {
      const machine = new Live.Machine({ simd });
      const [a, b, c, o] = [M * K, K * N, M * N, M].map((count) => machine.take(count));
      machine.view(a, M * K).set(A.flatMap((row, m) => row).map((_, i) => A[(Math.floor(i / 4 / K) * 4) + (i % 4)][Math.floor(i / 4) % K]));
      machine.view(b, K * N).set(B.flatMap((row) => row).map((_, i) => B[Math.floor(i / 8) % K][Math.floor(i / 8 / K) * 8 + (i % 8)]));
      machine.view(o, M).set(bias);
      machine.multiply(M, N, K, a, b, c, o, relu);
      return { simd: machine.simd, C: Array.from(machine.view(c, M * N)) };
    }),
  )
