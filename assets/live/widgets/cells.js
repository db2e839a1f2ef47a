// Swap two cells: the cells of the feature maps trade places, and two networks are asked whether they notice.
Live.widgets.cells = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, NOTICED = 0.1; // mm
  let state = { hand: 3, order: [], first: null };
  const look = Live.kept((hand) => Live.look(hands[hand], size));
  const straight = Live.kept((hand) => rows.map((row) => Live.ask(networks[row], look(hand))));
  const { h, w } = straight(state.hand)[0].out.X, count = h * w;
  const inOrder = () => Array.from({ length: count }, (_, i) => i);
  const swapped = (order, i, k) => order.map((cell, place) => (place === i ? order[k] : place === k ? order[i] : cell));

  // What the networks say of a hand whose cells lie in this order, the same in all maps.
  const reordered = (hand, order) =>
    rows.map((row) => {
      const X = (values, maps) => values.map((_, at) => values[at - (at % count) + order[at % count]]);
      return Live.ask(networks[row], look(hand), { X });
    });

  const picture = new Live.Picture("The crop with both predicted hands."), space = new Live.Space("Both predicted hands in space.");
  const table = Live.table("network", "answer moved, mm", "off by, mm");
  const draw = Live.soon(() => {
    const said = reordered(state.hand, state.order), before = straight(state.hand);
    picture.show(look(state.hand).image, size);
    const styles = rows.map((_, i) => ({ style: i ? "dashed" : "solid" }));
    said.forEach(({ uv }, i) => picture.hand(uv, styles[i]));
    space.show(said.map(({ xyz }, i) => ({ xyz, ...styles[i] })));
    const moved = said.map((one, i) => Live.apart(one, before[i]));
    table.fill(rows.map((row, i) => [Live.title(row), Live.number(moved[i], 2), Live.number(said[i].error)]));
    const places = state.order.filter((cell, place) => cell !== place).length;
    say(`${places} of ${count} cells lie elsewhere. ` + rows.map((row, i) => `${Live.title(row)}’s answer moved by ${Live.number(moved[i], 2)} mm`).join(", ") + ".");
    buttons.forEach((button, place) => {
      button.textContent = state.order[place] + 1;
      button.setAttribute("aria-pressed", state.first === place);
      button.setAttribute("aria-label", `place ${place + 1} holds cell ${state.order[place] + 1}`);
    });
  });
  const set = (changes) => {
    state = { ...state, ...changes };
    draw();
  };
  const press = (place) => {
    if (state.first === null) return set({ first: place });
    set({ order: swapped(state.order, state.first, place), first: null });
  };
  const buttons = inOrder().map((place) => Live.button("", () => press(place)));
  const grid = Live.element("div", { class: "live-cells", role: "group", "aria-label": "The cells of the feature maps: press two to swap them.", style: `--columns: ${w}` }, ...buttons);
  Live.arrows(grid, (right, down) => { // from cell to cell, as in a table
    const at = buttons.indexOf(document.activeElement), [column, row] = [(at % w) + right, Math.floor(at / w) + down];
    if (at >= 0 && column >= 0 && row >= 0 && column < w && row < h) buttons[row * w + column].focus();
  });

  const shuffled = () => inOrder().map((cell) => [Math.random(), cell]).sort(([a], [b]) => a - b).map(([, cell]) => cell);
  const free = Live.element("div", {},
    Live.panes(Live.pane(grid, "the cells of the feature maps, as they lie over the picture: press two to swap them")),
    Live.buttons(...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, first: null })), Live.button("shuffle", () => set({ order: shuffled(), first: null })), Live.button("in order", () => set({ order: inOrder(), first: null }))),
    table.element);

  const one = Math.floor(h / 2 - 1) * w + Math.floor(w / 2 - 1), other = one + w + 1; // two in the middle
  const choices = [`${Live.title(rows[0])}’s`, `${Live.title(rows[1])}’s`, "both", "neither’s"];
  const settle = async (telling) => {
    const order = swapped(inOrder(), one, other);
    const moved = await Live.forEachHand(hands, telling, (hand) => reordered(hand, order).map((answer, i) => Live.apart(answer, straight(hand)[i])));
    const means = rows.map((_, i) => Live.mean(moved.map((pair) => pair[i]))), [fr, afr] = means.map((mean) => mean > NOTICED);
    const each = rows.map((row, i) => `${Live.title(row)}’s answer moved by ${Live.number(means[i], 2)} mm`).join(" and ");
    return { right: fr ? (afr ? 2 : 0) : afr ? 1 : 3, said: `Over ${hands.length} hands, with cells ${one + 1} and ${other + 1} swapped in all maps, ${each}, on average.` };
  };
  state.order = inOrder();
  stage.append(
    ...Live.guessed(`Two of the ${count} cells of the feature maps trade places, the same two in every map. Whose answer moves?`, choices, free, settle, () => set({ order: swapped(inOrder(), one, other) })),
    Live.panes(Live.pane(picture.canvas, `${rows.map((row, i) => `${Live.title(row)} ${i ? "dashed" : "solid"}`).join(", ")}`), Live.pane(space.canvas, "the same in space")),
    free);
  draw();
  return { changed: () => { straight.clear(); draw(); } };
};
