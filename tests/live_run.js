// What tests/test_live_parity.py asks of the page's networks: an expression whose value is a function, for Node and for
// a browser alike. Takes Live and a request; gives, for each state, the picture and the answer of each stage.
(Live, { network, hands, states, simd }) => {
  const bytes = (text) => Live.fromBase64(text).buffer;
  const built = Live.network(Live.readTensors(bytes(network)), { simd });
  const bank = Live.hands(Live.readTensors(bytes(hands)));
  const size = built.side;
  const answers = states.map(({ hand, how, cover }) => {
    const matrix = Live.cropMatrix(bank[hand], size, how), image = Live.warp(bank[hand], matrix, size);
    for (const { u, v, radius } of cover)
      for (let y = 0; y < size; y++)
        for (let x = 0; x < size; x++)
          if ((x - u) ** 2 + (y - v) ** 2 < radius ** 2) for (let c = 0; c < 3; c++) image[(c * size + y) * size + x] = 0.5;
    const truth = Live.truth(bank[hand], matrix), { stages } = built.forward(image);
    return {
      image: Array.from(image),
      uv: truth.uv,
      Y: stages.map((stage) => Array.from(stage.Y)),
      M: stages.map((stage) => stage.M && Array.from(stage.M)),
      maps: stages.map((stage) => stage.maps?.map(({ values }) => Array.from(values))),
      xyz: stages.map((stage) => Array.from(Live.toMillimetres(stage.Y, truth, size))),
    };
  });
  return { answers, simd: built.machine.simd };
}
