// Swap two joints' features: each decoder gets the other joint's, and what it makes of them is drawn.
Live.widgets.joints = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, PAIR = [4, 20]; // thumb tip and little tip
  let state = { hand: 3, pair: PAIR };
  const look = Live.kept((hand) => Live.look(hands[hand], size));
  const straight = Live.kept((hand) => rows.map((row) => Live.ask(networks[row], look(hand))));
  const other = (joint, [one, two]) => (joint === one ? two : joint === two ? one : joint);

  // The answers when these two joints' features have changed places.
  const swapped = (hand, pair) =>
    rows.map((row, i) => {
      const { G } = straight(hand)[i].out.stages[0], length = G.length / 21;
      const mixed = G.map((_, at) => G[other(Math.floor(at / length), pair) * length + (at % length)]);
      return Live.read(networks[row].decode(mixed).Y, look(hand), size);
    });
  // In pixels: how far the two joints land from where the other one was; and from where they were themselves.
  const landed = (answers, hand, pair, own) =>
    answers.map(({ uv }, i) => Live.mean(pair.map((joint) => {
      const [u, v] = straight(hand)[i].uv[own ? joint : other(joint, pair)];
      return Math.hypot(uv[joint][0] - u, uv[joint][1] - v);
    })));

  const pictures = rows.map((row) => new Live.Picture(`The crop with the hand of ${Live.title(row)}, two joints' features swapped.`));
  const table = Live.table("the two joints, px", "from their own place", "from the other’s place");
  const draw = Live.soon(() => {
    const answers = swapped(state.hand, state.pair), [own, others] = [true, false].map((which) => landed(answers, state.hand, state.pair, which));
    answers.forEach(({ uv }, i) => {
      pictures[i].show(look(state.hand).image, size);
      pictures[i].hand(straight(state.hand)[i].uv, { style: "dotted" });
      pictures[i].hand(uv);
    });
    table.fill(rows.map((row, i) => [Live.title(row), Live.number(own[i], 2), Live.number(others[i], 2)]));
    const [one, two] = state.pair.map((joint) => Live.joints[joint]);
    say(`The ${one} and the ${two} have each other’s features. ` + rows.map((row, i) => `${Live.title(row)}: they land ${Live.number(others[i], 2)} px from each other’s places`).join("; ") + ".");
  });
  const set = (changes) => {
    state = { ...state, ...changes };
    draw();
  };
  const options = Live.joints.map((name, i) => [i, name]);
  const choose = (which) => Live.choice(which ? "with" : "swap", options, PAIR[which], (joint) => set({ pair: state.pair.map((was, k) => (k === which ? +joint : was)) }));
  const free = Live.element("div", {}, Live.buttons(choose(0), choose(1), ...Live.handChooser(hands.length, state.hand, (hand) => set({ hand }))), table.element);

  const NEAR = 0.5, choices = [...rows.map((row) => Live.title(row)), "both", "neither"]; // px
  const settle = async (telling) => {
    const found = await Live.forEachHand(hands, telling, (hand) => landed(swapped(hand, PAIR), hand, PAIR, false));
    const means = rows.map((_, i) => Live.mean(found.map((pair) => pair[i]))), [one, two] = means.map((mean) => mean < NEAR);
    const each = rows.map((row, i) => `${Live.title(row)}: ${Live.number(means[i], 2)} px`).join("; ");
    return { right: one ? (two ? 2 : 0) : two ? 1 : 3, said: `Over ${hands.length} hands, the mean distance of the two joints from each other’s former places. ${each}.` };
  };
  stage.append(
    ...Live.guessed(`The features of the ${Live.joints[PAIR[0]]} and the ${Live.joints[PAIR[1]]} trade places. In whose answer do the two joints trade places too?`, choices, free, settle, draw),
    Live.panes(...rows.map((row, i) => Live.pane(pictures[i].canvas, `${Live.title(row)}; before the swap dotted`))),
    free);
  draw();
  return { changed: () => { straight.clear(); draw(); } };
};
