// Cover a fingertip: a grey disc lies over the picture, and two networks are asked which of their joints move.
Live.widgets.cover = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, TIP = 8, RADIUS = 6, EVEN = 0.1; // px; a tenth
  const PARTS = { wrist: [0], thumb: [1, 2, 3, 4], index: [5, 6, 7, 8], middle: [9, 10, 11, 12], ring: [13, 14, 15, 16], little: [17, 18, 19, 20] };
  let state = { hand: 5, u: 0, v: 0, radius: 0 };
  const look = Live.kept((hand) => Live.look(hands[hand], size));
  const open = Live.kept((hand) => rows.map((row) => Live.ask(networks[row], look(hand))));
  const tipOf = (hand) => {
    const [u, v] = look(hand).truth.uv[TIP];
    return { u, v, radius: RADIUS };
  };
  const covered = (hand, { u, v, radius }) => {
    const area = size * size, image = look(hand).image.map((value, at) => {
      const pixel = at % area;
      return ((pixel % size) - u) ** 2 + (Math.floor(pixel / size) - v) ** 2 < radius ** 2 ? 0.5 : value;
    });
    return { ...look(hand), image };
  };
  // How far each joint of each network's answer moves, mm.
  const moves = (hand, disc) => {
    const seen = covered(hand, disc), answers = rows.map((row) => Live.ask(networks[row], seen));
    return { seen, answers, moved: answers.map(({ xyz }, i) => Live.distances(xyz, open(hand)[i].xyz)) };
  };
  const of = (values, joints) => Live.mean(joints.map((joint) => values[joint]));

  const pictures = rows.map((row) => new Live.Picture(`The crop with the disc and the hand of ${Live.title(row)}. Arrow keys move the disc.`));
  const table = Live.table("moved, mm", ...rows.map(Live.title));
  const draw = Live.soon(() => {
    const { seen, answers, moved } = moves(state.hand, state);
    answers.forEach(({ uv }, i) => {
      pictures[i].show(seen.image, size);
      pictures[i].hand(open(state.hand)[i].uv, { style: "dotted" });
      pictures[i].hand(uv);
    });
    const lines = Object.entries(PARTS).map(([part, joints]) => [part, ...moved.map((values) => Live.number(of(values, joints)))]);
    table.fill([...lines, ["all joints", ...moved.map((values) => Live.number(Live.mean(values)))], ["off by, uncovered", ...open(state.hand).map(({ error }) => Live.number(error))], ["off by, covered", ...answers.map(({ error }) => Live.number(error))]]);
    const far = moved.map((values) => values.indexOf(Math.max(...values)));
    if (!state.radius) return say("There is no disc: both answers are the uncovered ones.");
    say(`The disc has a radius of ${Live.number(state.radius, 1)} px. ` + rows.map((row, i) => `${Live.title(row)}: the ${Live.joints[far[i]]} moves most, ${Live.number(moved[i][far[i]])} mm, all joints ${Live.number(Live.mean(moved[i]))} on average`).join("; ") + ".");
  });
  const set = (changes) => {
    state = sliders.put({ ...state, ...changes });
    draw();
  };
  for (const { canvas } of pictures) {
    const to = (x, y) => set({ u: x * size - 0.5, v: y * size - 0.5 });
    Live.dragged(canvas, (right, down, x, y) => to(x, y), to);
    Live.arrows(canvas, (right, down) => set({ u: state.u + right, v: state.v + down }));
  }
  const pixels = { from: 0, step: 0.5, unit: " px" };
  const sliders = Live.sliders({ u: { title: "column", to: size - 1, ...pixels }, v: { title: "row", to: size - 1, ...pixels }, radius: { to: 16, ...pixels } }, set);

  const free = Live.element("div", {},
    ...sliders.elements,
    Live.buttons(...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...tipOf(hand) })), Live.button("on the index tip", () => set(tipOf(state.hand))), Live.button("no disc", () => set({ radius: 0 }))),
    table.element);
  const choices = [...rows.map((row) => Live.title(row)), "both about alike"];
  const settle = async (telling) => {
    const others = PARTS.wrist.concat(...["thumb", "middle", "ring", "little"].map((part) => PARTS[part]));
    const found = await Live.forEachHand(hands, telling, (hand) => moves(hand, tipOf(hand)).moved.map((values) => [values[TIP], of(values, others)]));
    const [tip, rest] = [0, 1].map((which) => rows.map((_, i) => Live.mean(found.map((moved) => moved[i][which]))));
    const spread = rows.map((_, i) => rest[i] / tip[i]), most = spread.indexOf(Math.max(...spread));
    const each = rows.map((row, i) => `${Live.title(row)} moves the tip by ${Live.number(tip[i])} mm and the joints of the other fingers by ${Live.number(rest[i])}, ${Math.round(100 * spread[i])} % of it`).join("; ");
    const alike = Math.max(...spread) - Math.min(...spread) < EVEN * Math.max(...spread);
    return { right: alike ? rows.length : most, said: `Over ${hands.length} hands with the index tip covered: ${each}, on average.` };
  };
  stage.append(
    ...Live.guessed("A grey disc covers the tip of the index finger. That joint moves. Whose other fingers move along more, as a share of what the tip moves?", choices, free, settle, () => set(tipOf(state.hand))),
    Live.panes(...rows.map((row, i) => Live.pane(pictures[i].canvas, `${Live.title(row)}; uncovered dotted`))),
    free);
  draw();
  return { changed: () => { open.clear(); draw(); } };
};
