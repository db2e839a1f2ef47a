// Rivals side by side: regression and detection on one picture, which can be moved to its edge; their heatmaps over it.
Live.widgets.rivals = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, REACH = 24, STEP = 20, TURN = 90; // px, px, degrees
  const STILL = { rightward: 0, down: 0, turn: 0 };
  let state = { hand: 13, ...STILL, joint: "" };
  const asked = (hand, how) => {
    const seen = Live.look(hands[hand], size, how);
    return { seen, answers: rows.map((row) => Live.ask(networks[row], seen)) };
  };

  // Where a heatmap has its weight: the picture is dark elsewhere.
  const lit = (image, { values, h, w }, joint) => {
    const own = values.subarray(joint * h * w, (joint + 1) * h * w), most = Math.max(...own);
    return image.map((value, at) => {
      const pixel = at % (size * size), row = Math.min(h - 1, Math.round((Math.floor(pixel / size) * h) / size)), column = Math.min(w - 1, Math.round(((pixel % size) * w) / size));
      return value * 0.35 + 0.65 * Math.sqrt(own[row * w + column] / most);
    });
  };
  const pictures = rows.map((row) => new Live.Picture(`The crop with the hand of ${Live.title(row)}. Arrow keys move the picture.`));
  const table = Live.table("network", "off by, mm", "this joint, mm");
  const draw = Live.soon(() => {
    const { seen, answers } = asked(state.hand, state), joint = state.joint === "" ? null : +state.joint;
    answers.forEach(({ uv, out }, i) => {
      const { heatmaps } = out.stages.at(-1);
      pictures[i].show(heatmaps && joint !== null ? lit(seen.image, heatmaps, joint) : seen.image, size);
      pictures[i].hand(seen.truth.uv, { style: "dotted" });
      pictures[i].hand(uv);
    });
    table.fill(rows.map((row, i) => [Live.title(row), Live.number(answers[i].error), joint === null ? "–" : Live.number(Live.distances(answers[i].xyz, seen.truth.xyz)[joint])]));
    const out = seen.truth.uv.filter((point) => point.some((place) => place < -0.5 || place > size - 0.5)).length;
    say(`${out} of 21 joints are outside the crop. ` + rows.map((row, i) => `${Live.title(row)} is ${Live.number(answers[i].error)} mm off`).join("; ") + ".");
  });
  const set = (changes) => {
    state = { ...state, ...changes };
    for (const name of ["rightward", "down"]) state[name] = Live.clamp(state[name], REACH);
    for (const [name, slider] of Object.entries(sliders)) slider.set(state[name]);
    draw();
  };
  const shift = (right, down) => set({ rightward: state.rightward + right, down: state.down + down });
  for (const { canvas } of pictures) {
    Live.dragged(canvas, (right, down) => shift(right * size, down * size));
    Live.arrows(canvas, shift);
  }
  const slide = (name, title, reach, step, unit) => Live.slider({ name: title, from: -reach, to: reach, step, value: 0, unit, changed: (value) => set({ [name]: value }) });
  const sliders = { rightward: slide("rightward", "right", REACH, 0.5, " px"), down: slide("down", "down", REACH, 0.5, " px"), turn: slide("turn", "turn", TURN, 1, "°") };
  const joint = Live.choice("heatmap of", [["", "none"], ...Live.joints.map((name, i) => [i, name])], "", (chosen) => set({ joint: chosen }));

  const free = Live.element("div", {},
    ...Object.values(sliders).map((slider) => slider.element),
    Live.buttons(joint, ...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...STILL })), Live.button("put back", () => set(STILL))),
    table.element);
  const choices = rows.map((row) => Live.title(row));
  const settle = async (telling) => {
    const errors = await Live.forEachHand(hands, telling, (hand) => [STILL, { ...STILL, rightward: STEP }].map((how) => asked(hand, how).answers.map(({ error }) => error)));
    const [before, after] = [0, 1].map((when) => rows.map((_, i) => Live.mean(errors.map((pair) => pair[when][i]))));
    const grown = rows.map((_, i) => after[i] - before[i]), right = grown.indexOf(Math.max(...grown));
    const each = rows.map((row, i) => `${Live.title(row)} from ${Live.number(before[i])} to ${Live.number(after[i])} mm`).join("; ");
    return { right, said: `Over ${hands.length} hands whose picture moved ${STEP} px to the right: ${each}, on average.` };
  };
  stage.append(
    ...Live.guessed(`The picture moves ${STEP} px to the right, and part of many hands leaves the crop. Whose error grows most?`, choices, free, settle, () => set({ ...STILL, rightward: STEP })),
    Live.panes(...rows.map((row, i) => Live.pane(pictures[i].canvas, `${Live.title(row)}; truth dotted`))),
    free);
  draw();
  return { changed: draw };
};
