// Lie to the second stage: what it is told of the first one's hand is moved and turned, or is another hand's.
Live.widgets.lie = ({ stage, say, networks, hands }) => {
  const [row] = Object.keys(networks), size = networks[row].side, REACH = 12, TURN = 60, STEP = 8; // px, degrees, px
  const HONEST = { rightward: 0, down: 0, turn: 0, other: false };
  const KINDS = { Heatmaps: "heatmaps", DepthMaps: "depth maps", SplatDepthMaps: "depth maps", RefineMaps: "refine maps" };
  let state = { hand: 11, ...HONEST, kinds: {} };
  const look = Live.kept((hand) => Live.look(hands[hand], size));
  const honest = Live.kept((hand) => Live.ask(networks[row], look(hand)));
  const last = (answer) => answer.out.stages.at(-1);
  const kinds = () => [...new Set(last(honest(state.hand)).maps.map(({ kind }) => kind))];

  // A pose moved by pixels and turned about its own middle.
  const bent = (Y, { rightward, down, turn }) => {
    const [c, s] = [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)], unit = 2 / (size - 1);
    const [u, v] = [0, 1].map((axis) => Live.mean(Array.from({ length: 21 }, (_, i) => Y[3 * i + axis])));
    return Y.map((value, at) => {
      const [x, y] = [Y[at - (at % 3)] - u, Y[at - (at % 3) + 1] - v];
      return at % 3 === 0 ? u + c * x - s * y + unit * rightward : at % 3 === 1 ? v + s * x + c * y + unit * down : value;
    });
  };
  // What the second stage says of a hand when it is lied to.
  const lied = (hand, lie) => {
    const other = lie.other && last(honest((hand + 1) % hands.length)).maps, real = last(honest(hand)).maps;
    const maps = (drawn) => drawn.map((one, k) => (lie.kinds?.[one.kind] === false ? real[k] : other ? other[k] : one));
    return Live.ask(networks[row], look(hand), { told: (Y) => bent(Y, lie), maps });
  };

  const first = new Live.Picture("The crop with the hand that the second stage is told. Arrow keys move that hand."), second = new Live.Picture("The crop with the hand that the second stage answers.");
  const table = Live.table("answer of", "off by, mm");
  const draw = Live.soon(() => {
    const { hand } = state, before = honest(hand), answer = lied(hand, state), seen = look(hand);
    const told = state.other ? last(honest((hand + 1) % hands.length)).told : last(answer).told;
    for (const picture of [first, second]) {
      picture.show(seen.image, size);
      picture.hand(seen.truth.uv, { style: "dotted" });
    }
    first.hand(Live.toPixels(told, size), { style: "dashed" });
    second.hand(answer.uv);
    const stage1 = Live.read(before.out.stages[0].Y, seen, size);
    table.fill([["stage 1", Live.number(stage1.error)], ["stage 2, told the truth about stage 1", Live.number(before.error)], ["stage 2, told your lie", Live.number(answer.error)]]);
    const by = Live.middle(answer).map((place, axis) => place - Live.middle(before)[axis]);
    const lie = state.other ? "Stage 2 is shown the maps of the next hand" : `Stage 2 is told a hand ${Live.change(state.rightward)} px right and ${Live.change(state.down)} px down, turned by ${Live.number(state.turn, 0)}°`;
    say(`${lie}. Its own hand goes ${Live.change(by[0])} px right and ${Live.change(by[1])} px down, its joints move by ${Live.number(Live.apart(answer, before))} mm, and it is ${Live.number(answer.error)} mm off; without the lie ${Live.number(before.error)}.`);
  });
  const set = (changes) => {
    state = sliders.put({ ...state, ...changes });
    another.setAttribute("aria-pressed", state.other);
    draw();
  };
  const push = (right, down) => set({ rightward: state.rightward + right, down: state.down + down, other: false });
  Live.pushed(first.canvas, size, push);
  const sliders = Live.sliders({
    rightward: { title: "right", to: REACH, step: 0.5, unit: " px" },
    down: { to: REACH, step: 0.5, unit: " px" },
    turn: { to: TURN, unit: "°" },
  }, (changes) => set({ ...changes, other: false }));
  const another = Live.toggle("the next hand’s maps", false, (other) => set({ ...HONEST, other }));
  const through = kinds().map((kind) => Live.toggle(`lie in the ${KINDS[kind] ?? kind}`, true, (on) => set({ kinds: { ...state.kinds, [kind]: on } })));

  const free = Live.element("div", {},
    ...sliders.elements,
    Live.buttons(another, ...through),
    Live.buttons(...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...HONEST })), Live.button("the truth again", () => set(HONEST))),
    table.element);
  const choices = ["less than a tenth of the way", "a tenth to a half of it", "more than half of it"];
  const settle = async (telling) => {
    const found = await Live.forEachHand(hands, telling, (hand) => {
      const before = honest(hand), moved = lied(hand, { ...HONEST, rightward: STEP }), swapped = lied(hand, { ...HONEST, other: true });
      return [Live.middle(moved)[0] - Live.middle(before)[0], Live.read(before.out.stages[0].Y, look(hand), size).error, before.error, moved.error, swapped.error];
    });
    const [by, one, two, lie, other] = found[0].map((_, i) => Live.mean(found.map((values) => values[i]))), share = by / STEP;
    const more = two - one, verdict = Math.abs(more) < 0.05 ? "no difference" : more < 0 ? "it corrects stage 1" : "it makes stage 1’s answer worse";
    const worth = `Told the truth, the second look changes the error by ${Live.change(more)} mm on these hands: ${verdict}.`;
    const said = `Over ${hands.length} hands, told a hand ${STEP} px too far right, stage 2 goes along by ${Live.number(by)} px on average. Its error goes from ${Live.number(two)} to ${Live.number(lie)} mm, and to ${Live.number(other)} mm with another hand’s maps; stage 1 alone is ${Live.number(one)} mm off. ${worth}`;
    return { right: share < 0.1 ? 0 : share < 0.5 ? 1 : 2, said };
  };
  stage.append(
    ...Live.guessed(`Stage 2 sees the picture’s features and is told stage 1’s hand. We move that hand ${STEP} px to the right before it is drawn. How far does stage 2’s answer go along?`, choices, free, settle, () => set({ ...HONEST, rightward: STEP })),
    Live.panes(Live.pane(first.canvas, "what stage 2 is told, dashed: drag it; truth dotted"), Live.pane(second.canvas, "what stage 2 answers; truth dotted")),
    free);
  draw();
  return { changed: () => { honest.clear(); draw(); } };
};
