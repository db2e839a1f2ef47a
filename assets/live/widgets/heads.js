// Silence heads: a silent head says what it says on average of many hands. Which few can speak for all?
Live.widgets.heads = ({ stage, say, networks, hands }) => {
  const [row] = Object.keys(networks), size = networks[row].side, ALLOWED = 1; // mm
  const look = Live.kept((hand) => Live.look(hands[hand], size));
  const whole = Live.kept((hand) => Live.ask(networks[row], look(hand)));
  const M = (hand) => whole(hand).out.stages[0].M;
  const count = networks[row].tensors["decoder.transforms.first.weight"].shape[0];
  const all = Array(count).fill(true);
  let state = { hand: 7, speaks: all };

  // What is left of M when some heads are silent, and the answer to it.
  const heard = (said, speaks) => {
    const e = said.length / 21 / count, { usual } = networks[row];
    return said.map((value, at) => (speaks[Math.floor(at / e) % count] ? value : (usual?.[at] ?? 0)));
  };
  const answer = (hand, speaks) => Live.read(networks[row].fused(heard(M(hand), speaks)), look(hand), size);
  const bank = new Map(); // the mean error over all hands, by who speaks
  const error = (speaks) => {
    const key = speaks.map(Number).join("");
    if (!bank.has(key)) bank.set(key, Live.mean(hands.map((_, hand) => answer(hand, speaks).error)));
    return bank.get(key);
  };

  const picture = new Live.Picture("The crop with the predicted hand."), space = new Live.Space("The predicted hand and the true one in space.");
  const table = Live.table("all hands, mm", "silent alone", "speaks alone");
  const draw = Live.soon(() => {
    const said = answer(state.hand, state.speaks), { image, truth } = look(state.hand);
    picture.show(image, size);
    picture.hand(truth.uv, { style: "dotted" });
    picture.hand(said.uv);
    space.show([{ xyz: said.xyz }, { xyz: truth.xyz, ...Live.TRUTH }]);
    state.speaks.forEach((on, i) => toggles[i].setAttribute("aria-pressed", on));
    const left = state.speaks.filter(Boolean).length, mean = free.hidden ? null : error(state.speaks), limit = free.hidden ? null : error(all) + ALLOWED;
    const goal = mean === null ? "" : ` Over ${hands.length} hands these are ${Live.number(mean, 2)} mm off, all ${count} ${Live.number(limit - ALLOWED, 2)}: ${mean <= limit ? "within" : "beyond"} ${ALLOWED} mm.`;
    say(`${left} of ${count} heads speak: this hand is ${Live.number(said.error)} mm off, with all of them ${Live.number(whole(state.hand).error)}.${goal}`);
  });
  const set = (changes) => {
    state = { ...state, ...changes };
    draw();
  };
  const only = (i, on) => all.map((_, k) => (k === i) === on);
  const toggles = all.map((_, i) => Live.toggle(`head ${i + 1}`, true, (on) => set({ speaks: state.speaks.map((was, k) => (k === i ? on : was)) })));
  const best = () => [...Array(2 ** count).keys()].map((bits) => all.map((_, i) => Boolean(bits & (1 << i))));

  const smallest = Live.button("show the smallest set", () => set({ speaks: found }));
  let found = all;
  const free = Live.element("div", {},
    Live.element("div", { class: "live-buttons", role: "group", "aria-label": "Heads that speak" }, ...toggles),
    Live.buttons(...Live.handChooser(hands.length, state.hand, (hand) => set({ hand })), Live.button("all speak", () => set({ speaks: all })), smallest),
    table.element);
  const ends = [Math.floor(count / 4), Math.floor((3 * count) / 4) - 1];
  const choices = [`${ends[0]} or fewer`, `${ends[0] + 1} to ${ends[1]}`, `${ends[1] + 1} or more`];
  const settle = async (telling) => {
    await Live.forEachHand(hands, telling, whole);
    const sets = best().sort((a, b) => a.filter(Boolean).length - b.filter(Boolean).length), limit = error(all) + ALLOWED;
    let least = count, tried = 0;
    for (const speaks of sets) {
      const size = speaks.filter(Boolean).length;
      if (size > least) break;
      if (tried++ % 8 === 0) {
        telling.textContent = `Trying ${size} of ${count} heads …`;
        await Live.breath();
      }
      if (error(speaks) <= limit && (size < least || error(speaks) < error(found))) [found, least] = [speaks, size];
    }
    table.fill(all.map((_, i) => [`head ${i + 1}`, Live.number(error(only(i, false)), 2), Live.number(error(only(i, true)), 2)]));
    const names = found.flatMap((on, i) => (on ? [i + 1] : [])).join(", ");
    const said = `${tried} sets were tried on ${hands.length} hands. All ${count} heads are ${Live.number(limit - ALLOWED, 2)} mm off; of those that stay within ${ALLOWED} mm of that, the smallest has ${least}: ${names}, ${Live.number(error(found), 2)} mm.`;
    return { right: least <= ends[0] ? 0 : least <= ends[1] ? 1 : 2, said };
  };
  stage.append(
    ...Live.guessed(`A silent head says what it says on average, whatever the picture. How many of the ${count} heads must speak for the mean error over ${hands.length} hands to grow by no more than ${ALLOWED} mm?`, choices, free, settle, () => set({ speaks: only(0, false) })),
    Live.panes(Live.pane(picture.canvas, "the answer; truth dotted"), Live.pane(space.canvas, "the same in space")),
    free);
  draw();
  return { changed: () => { whole.clear(); bank.clear(); draw(); } };
};
