// Move and turn: the picture is moved under two networks, and each is asked whether its hand has come along.
{
  const REACH = 12, STEP = 10, TURN = 90; // px, px, degrees
  const STILL = { rightward: 0, down: 0, turn: 0, zoom: 1 };
  const TITLES = { fr: "FR", afr: "AFR" };

  Live.widgets.move = ({ stage, say, networks, hands }) => {
    const rows = Object.keys(networks), size = networks[rows[0]].side;
    const title = (row) => TITLES[row] ?? row;
    let state = { hand: 3, ...STILL };

    // A hand under a crop: what each network says, where the truth is.
    const look = ({ hand, ...how }) => {
      const matrix = Live.cropMatrix(hands[hand], size, { ...how, turn: (how.turn * Math.PI) / 180 });
      const image = Live.warp(hands[hand], matrix, size), truth = Live.truth(hands[hand], matrix);
      const said = Object.fromEntries(rows.map((row) => {
        const { Y } = networks[row].forward(image), xyz = Live.toMillimetres(Y, truth, size);
        return [row, { uv: Live.toPixels(Y, size), xyz, error: Live.mean(Live.distances(xyz, truth.xyz)) }];
      }));
      return { image, truth, said };
    };
    const middle = (uv, axis) => Live.mean(uv.map((point) => point[axis]));
    const before = new Map(); // what was said of a hand before it was moved
    const atRest = (hand) => {
      if (!before.has(hand)) before.set(hand, look({ hand, ...STILL }));
      return before.get(hand);
    };

    const picture = new Live.Picture("The crop with both predicted hands. Arrow keys move the picture.");
    const space = new Live.Space("Both predicted hands and the true one in space.");
    const table = Live.element("table");
    const draw = Live.soon(() => {
      const { image, truth, said } = look(state), rest = atRest(state.hand).said;
      picture.show(image, size);
      picture.hand(truth.uv, { style: "dotted" });
      const lines = rows.map((row, i) => {
        const { uv, error } = said[row];
        picture.hand(uv, { style: i ? "dashed" : "solid" });
        const [right, down] = [0, 1].map((axis) => middle(uv, axis) - middle(rest[row].uv, axis));
        return { row, error, right, down };
      });
      space.show([...rows.map((row, i) => ({ xyz: said[row].xyz, style: i ? "dashed" : "solid" })), { xyz: truth.xyz, style: "dotted", colour: "#aaa" }]);
      const cells = lines.map(({ row, error, right, down }) => [title(row), Live.number(error), Live.change(right), Live.change(down)]);
      table.replaceChildren(
        Live.element("tr", {}, ...["network", "off by, mm", "moved right, px", "moved down, px"].map((head) => Live.element("th", { scope: "col" }, head))),
        ...cells.map(([name, ...values]) => Live.element("tr", {}, Live.element("th", { scope: "row" }, name), ...values.map((value) => Live.element("td", {}, value)))),
      );
      const moved = `The picture is moved ${Live.change(state.rightward)} px right and ${Live.change(state.down)} px down, turned by ${Live.number(state.turn, 0)}°. `;
      say(moved + lines.map(({ row, right, down, error }) => `${title(row)}’s hand moved ${Live.change(right)} and ${Live.change(down)} px and is ${Live.number(error)} mm off`).join("; ") + ".");
    });

    const set = (changes) => {
      state = { ...state, ...changes };
      for (const name of ["rightward", "down"]) state[name] = Math.max(-REACH, Math.min(REACH, state[name]));
      for (const [name, slider] of Object.entries(sliders)) slider.set(state[name]);
      draw();
    };
    const shift = (right, down) => set({ rightward: state.rightward + right, down: state.down + down });
    Live.dragged(picture.canvas, (right, down) => shift(right * size, down * size));
    Live.arrows(picture.canvas, shift);
    const slide = (name, title, from, to, step, unit) => Live.slider({ name: title, from, to, step, value: state[name], unit, changed: (value) => set({ [name]: value }) });
    const sliders = {
      rightward: slide("rightward", "right", -REACH, REACH, 0.5, " px"),
      down: slide("down", "down", -REACH, REACH, 0.5, " px"),
      turn: slide("turn", "turn", -TURN, TURN, 1, "°"),
      zoom: slide("zoom", "zoom", 0.7, 1.4, 0.1, " ×"),
    };

    // The guess is settled on all hands of the file, a step to the right each.
    const verdict = Live.element("p", { class: "live-verdict", role: "status" });
    const settle = async (guessed) => {
      const followed = Object.fromEntries(rows.map((row) => [row, []]));
      for (let hand = 0; hand < hands.length; hand++) {
        verdict.textContent = `Asking about hand ${hand + 1} of ${hands.length} …`;
        await Live.breath();
        const moved = look({ hand, ...STILL, rightward: STEP });
        for (const row of rows) followed[row].push(middle(moved.said[row].uv, 0) - middle(atRest(hand).said[row].uv, 0));
      }
      const means = rows.map((row) => Live.mean(followed[row])), share = means[0] / STEP;
      const right = share < 0.5 ? 0 : share < 0.9 ? 1 : 2;
      const each = rows.map((row, i) => `${title(row)}’s hand followed by ${Live.number(means[i])} px`).join(" and ");
      verdict.textContent = `${right === guessed ? "You guessed right. " : `It is “${choices[right]}”. `}Over ${hands.length} hands whose picture moved ${STEP} px to the right, ${each}, on average.`;
      free.hidden = false;
      set({ ...STILL, rightward: STEP });
    };
    const choices = ["less than half of it", "most of it", "all of it"];
    const question = `The picture moves ${STEP} px to the right. How much of that does ${title(rows[0])}’s hand follow?`;
    const back = Live.button("put back", () => set(STILL));
    const free = Live.element("div", { hidden: "" },
      ...Object.values(sliders).map((slider) => slider.element),
      Live.element("div", { class: "live-buttons" }, ...Live.handChooser(hands.length, state.hand, (hand) => set({ hand, ...STILL })), back),
      table);
    const names = rows.map((row, i) => `${title(row)} ${i ? "dashed" : "solid"}`).join(", ");
    stage.append(
      Live.guess(question, choices, settle), verdict,
      Live.panes(Live.pane(picture.canvas, `drag it: ${names}, truth dotted`), Live.pane(space.canvas, "the same in space")),
      free);
    draw();
    return { changed: () => { before.clear(); draw(); } };
  };
}
