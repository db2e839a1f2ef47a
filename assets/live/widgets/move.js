// Move and turn: the picture is moved under the networks, and each is asked whether its hand has come along.
Live.widgets.move = ({ stage, say, networks, hands }) => {
  const rows = Object.keys(networks), size = networks[rows[0]].side, REACH = 12, STEP = 10, TURN = 90; // px, px, degrees
  const STILL = { rightward: 0, down: 0, turn: 0, zoom: 1 };
  let state = { hand: 3, ...STILL };
  const asked = ({ hand, ...how }) => Live.askAll(networks, hands[hand], how);
  const atRest = Live.kept((hand) => asked({ hand, ...STILL }).answers);
  const style = (i) => ({ style: i ? "dashed" : "solid" });

  const picture = new Live.Picture("The crop with the predicted hands. Arrow keys move the picture."), space = new Live.Space("The predicted hands and the true one in space.");
  const table = Live.table("network", "off by, mm", "moved right, px", "moved down, px");
  const draw = Live.soon(() => {
    const { seen, answers } = asked(state), rest = atRest(state.hand);
    picture.show(seen.image, size);
    picture.hand(seen.truth.uv, { style: "dotted" });
    answers.forEach(({ uv }, i) => picture.hand(uv, style(i)));
    space.show([...answers.map(({ xyz }, i) => ({ xyz, ...style(i) })), { xyz: seen.truth.xyz, ...Live.TRUTH }]);
    const moved = answers.map((answer, i) => Live.middle(answer).map((place, axis) => Live.change(place - Live.middle(rest[i])[axis])));
    const off = answers.map(({ error }) => Live.number(error));
    table.fill(rows.map((row, i) => [Live.title(row), off[i], ...moved[i]]));
    say(`The picture is moved ${Live.change(state.rightward)} px right and ${Live.change(state.down)} px down, turned by ${Live.number(state.turn, 0)}°. `
      + rows.map((row, i) => `${Live.title(row)}’s hand moved ${moved[i].join(" and ")} px and is ${off[i]} mm off`).join("; ") + ".");
  });

  const set = (changes) => {
    state = sliders.put({ ...state, ...changes });
    draw();
  };
  Live.pushed(picture.canvas, size, (right, down) => set({ rightward: state.rightward + right, down: state.down + down }));
  const sliders = Live.sliders({
    rightward: { title: "right", to: REACH, step: 0.5, unit: " px" },
    down: { to: REACH, step: 0.5, unit: " px" },
    turn: { to: TURN, unit: "°" },
    zoom: { from: 0.7, to: 1.4, step: 0.1, value: 1, unit: " ×" },
  }, set);

  // The guess is settled on all hands of the file, a step to the right each.
  const choices = ["less than half of it", "most of it", "all of it"];
  const settle = async (telling) => {
    const followed = await Live.forEachHand(hands, telling, (hand) => {
      const moved = asked({ hand, ...STILL, rightward: STEP }).answers;
      return moved.map((answer, i) => Live.middle(answer)[0] - Live.middle(atRest(hand)[i])[0]);
    });
    const means = rows.map((_, i) => Live.mean(followed.map((steps) => steps[i]))), share = means.at(-1) / STEP;
    const each = rows.map((row, i) => `${Live.title(row)}’s hand followed by ${Live.number(means[i])} px`).join(" and ");
    return { right: share < 0.5 ? 0 : share < 0.9 ? 1 : 2, said: `Over ${hands.length} hands whose picture moved ${STEP} px to the right, ${each}, on average.` };
  };
  const free = Live.element("div", {},
    ...sliders.elements,
    Live.buttons(...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...STILL })), Live.button("put back", () => set(STILL))),
    table.element);
  const names = rows.map((row, i) => `${Live.title(row)} ${style(i).style}`).join(", ");
  stage.append(
    ...Live.guessed(`The picture moves ${STEP} px to the right. How much of that does ${Live.title(rows.at(-1))}’s hand follow?`, choices, free, settle, () => set({ ...STILL, rightward: STEP })),
    Live.panes(Live.pane(picture.canvas, `drag it: ${names}, truth dotted`), Live.pane(space.canvas, "the same in space")),
    free);
  draw();
  return { changed: () => { atRest.clear(); draw(); } };
};
