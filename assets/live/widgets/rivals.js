// Rivals side by side: regression and detection on one picture, which can be moved to its edge; their heatmaps over it.
Live.widgets.rivals = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, REACH = 24, STEP = 20, TURN = 90; // px, px, degrees
  const STILL = { rightward: 0, down: 0, turn: 0 };
  let state = { hand: 13, ...STILL, joint: "" };

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
    const { seen, answers } = Live.askAll(networks, hands[state.hand], state), joint = state.joint === "" ? null : +state.joint;
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
    state = sliders.put({ ...state, ...changes });
    draw();
  };
  const shift = (right, down) => set({ rightward: state.rightward + right, down: state.down + down });
  for (const { canvas } of pictures) Live.pushed(canvas, size, shift);
  const sliders = Live.sliders({
    rightward: { title: "right", to: REACH, step: 0.5, unit: " px" },
    down: { to: REACH, step: 0.5, unit: " px" },
    turn: { to: TURN, unit: "°" },
  }, set);
  const joint = Live.choice("heatmap of", [["", "none"], ...Live.joints.map((name, i) => [i, name])], "", (chosen) => set({ joint: chosen }));

  const free = Live.element("div", {},
    ...sliders.elements,
    Live.buttons(joint, ...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...STILL })), Live.button("put back", () => set(STILL))),
    table.element);
  const choices = rows.map((row) => Live.title(row));
  const settle = async (telling) => {
    const errors = await Live.forEachHand(hands, telling, (hand) => [STILL, { ...STILL, rightward: STEP }].map((how) => Live.askAll(networks, hands[hand], how).answers.map(({ error }) => error)));
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
