// What figures have in common: a hand that a network is asked about, rows of numbers, and a guess that is settled.
{
  const Live = (globalThis.Live ??= {});
  const { element } = Live;
  Live.titles = {}; // what the chapters call the rows; Live.bring reads it from the section
  Live.title = (row) => Live.titles[row] ?? row;

  // A hand as a network of this side sees it: {image, truth}. how: as Live.cropMatrix has it, but turned by degrees.
  Live.look = (hand, size, how = {}) => {
    const matrix = Live.cropMatrix(hand, size, { ...how, turn: ((how.turn ?? 0) * Math.PI) / 180 });
    return { image: Live.warp(hand, matrix, size), truth: Live.truth(hand, matrix) };
  };

  // An answer Y about such a hand: in pixels, in millimetres, and how far it is off.
  Live.read = (Y, { truth }, size) => {
    const xyz = Live.toMillimetres(Y, truth, size);
    return { Y, uv: Live.toPixels(Y, size), xyz, error: Live.mean(Live.distances(xyz, truth.xyz)) };
  };
  Live.ask = (network, view, changes) => {
    const out = network.forward(view.image, changes);
    return { ...Live.read(out.Y, view, network.side), out };
  };
  // Networks of one side about one hand.
  Live.askAll = (networks, hand, how) => {
    const all = Object.values(networks), seen = Live.look(hand, all[0].side, how);
    return { seen, answers: all.map((network) => Live.ask(network, seen)) };
  };
  Live.apart = (one, other) => Live.mean(Live.distances(one.xyz, other.xyz)); // two answers, mm
  Live.middle = ({ uv }) => [0, 1].map((axis) => Live.mean(uv.map((point) => point[axis])));

  // Each hand as it is, and what is said of it, kept: what(number) is asked once for each.
  Live.kept = (what) => {
    const found = new Map();
    const get = (i) => found.get(i) ?? found.set(i, what(i)).get(i);
    get.clear = () => found.clear();
    return get;
  };

  // For each hand what(number), with a breath before each, so that the page stays awake.
  Live.forEachHand = async (hands, telling, what) => {
    const found = [];
    for (let i = 0; i < hands.length; i++) {
      telling.textContent = `Asking about hand ${i + 1} of ${hands.length} …`;
      await Live.breath();
      found.push(what(i));
    }
    return found;
  };

  // A question, its choices, and what follows a guess: settle(telling) measures, and gives the number of the right
  // choice and a sentence with what was measured; then what stands in `free` is shown, and shown() is called.
  Live.guessed = (question, choices, free, settle, shown = () => {}) => {
    const verdict = element("p", { class: "live-verdict", role: "status" });
    free.hidden = true;
    const guess = Live.guess(question, choices, async (chosen) => {
      const { right, said } = await settle(verdict);
      verdict.textContent = `${right === chosen ? "You guessed right. " : `It is “${choices[right]}”. `}${said}`;
      free.hidden = false;
      shown();
    });
    return [guess, verdict];
  };

  // A table that can be filled again: fill([[name, …cells], …]).
  Live.table = (...heads) => {
    const table = element("table"), cell = (name, attributes, text) => element(name, attributes, text);
    const fill = (rows) =>
      table.replaceChildren(
        element("tr", {}, ...heads.map((head) => cell("th", { scope: "col" }, head))),
        ...rows.map(([name, ...cells]) => element("tr", {}, cell("th", { scope: "row" }, name), ...cells.map((text) => cell("td", {}, text)))),
      );
    return { element: table, fill };
  };

  Live.buttons = (...children) => element("div", { class: "live-buttons" }, ...children);
  Live.TRUTH = { style: "dotted", colour: "#aaa" }; // in space
}
