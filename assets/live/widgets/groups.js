// Group the joints by hand: the reader's groups against those by hand and those that were learnt, and against chance.
Live.widgets.groups = ({ stage, say, section }) => {
  const { learnt, manual, uv, colours } = JSON.parse(section.dataset.known), JOINTS = 21, K = colours.length, DEALS = 999;
  const pairs = (n) => (n * (n - 1)) / 2, sum = (values) => values.reduce((total, value) => total + value, 0);
  // The adjusted Rand index of two groupings, as hand_lib.partitions has it.
  const alike = (one, other) => {
    const counts = (key) => Object.values(one.reduce((found, _, i) => ({ ...found, [key(i)]: (found[key(i)] ?? 0) + 1 }), {}));
    const [both, A, B] = [(i) => `${one[i]} ${other[i]}`, (i) => one[i], (i) => other[i]].map((key) => sum(counts(key).map(pairs)));
    const chance = (A * B) / pairs(one.length), most = (A + B) / 2;
    return most === chance ? 1 : (both - chance) / (most - chance);
  };
  // Numbers from 0 to 1, the same each time, so that a limit by chance stays where it is.
  const drawn = () => {
    let state = 1;
    return () => (state = (Math.imul(1664525, state) + 1013904223) >>> 0) / 2 ** 32;
  };
  const dealt = (groups, random) => {
    const cards = [...groups];
    for (let i = cards.length - 1; i > 0; i--) {
      const k = Math.floor(random() * (i + 1));
      [cards[i], cards[k]] = [cards[k], cards[i]];
    }
    return cards;
  };
  // The index of one grouping with others, on average, and what 95 of 100 dealings stay below.
  const against = (one, others) => {
    const index = (groups) => Live.mean(others.map((other) => alike(groups, other)));
    const random = drawn(), chance = Array.from({ length: DEALS }, () => index(dealt(one, random))).sort((a, b) => a - b);
    return { index: index(one), limit: chance[Math.floor(0.95 * DEALS)] };
  };

  let state = { groups: manual.groups, chosen: 0 };
  const canvas = Live.element("canvas", { width: 560, height: 560, role: "img", "aria-label": "An open hand whose joints have the colours and numbers of their groups." });
  const place = ([x, y]) => [50 + 460 * x, 50 + 460 * y];
  const table = Live.table("your groups with", "index", "95 % of chance below", "error when trained, mm");
  const draw = Live.soon(() => {
    const pen = canvas.getContext("2d");
    pen.clearRect(0, 0, 560, 560);
    Live.drawHand(canvas, uv.map(place), { style: "dashed", colour: "#999" });
    [pen.font, pen.textAlign, pen.textBaseline] = ["bold 24px sans-serif", "center", "middle"];
    uv.forEach((point, i) => {
      const [x, y] = place(point);
      pen.fillStyle = colours[state.groups[i]];
      pen.beginPath();
      pen.arc(x, y, 20, 0, 7);
      pen.fill();
      pen.fillStyle = state.groups[i] === 1 ? "#000" : "#fff";
      pen.fillText(state.groups[i] + 1, x, y + 1);
    });
    buttons.forEach((button, i) => {
      button.textContent = `${Live.joints[i].split(" ").at(-1)} ${state.groups[i] + 1}`;
      button.setAttribute("aria-label", `${Live.joints[i]}: group ${state.groups[i] + 1}`);
      button.style.borderLeft = `8px solid ${colours[state.groups[i]]}`;
    });
    tools.forEach((button, k) => button.setAttribute("aria-pressed", state.chosen === k));
    if (free.hidden) return;
    const all = [manual, ...learnt].map((one) => ({ ...one, ...against(state.groups, [one.groups]) }));
    table.fill(all.map(({ name, index, limit, epe }) => [name, Live.change(index, 2), Live.change(limit, 2), epe.length ? Live.number(Live.mean(epe), 2) : ""]));
    const best = all.reduce((one, other) => (other.index > one.index ? other : one));
    const sizes = colours.map((_, k) => state.groups.filter((group) => group === k).length).join(", ");
    say(`Your groups have ${sizes} joints. They are most like “${best.name}”: an index of ${Live.change(best.index, 2)}, ${best.index > best.limit ? "more" : "no more"} than the ${Live.change(best.limit, 2)} below which 95 % of the dealings by lot stay.`);
  });
  const set = (changes) => {
    state = { ...state, ...changes };
    draw();
  };
  const give = (joint, group) => set({ groups: state.groups.map((was, i) => (i === joint ? group : was)) });
  const nearest = (x, y) => {
    const far = uv.map((point) => Math.hypot(place(point)[0] / 560 - x, place(point)[1] / 560 - y));
    return far.indexOf(Math.min(...far));
  };
  const put = (x, y) => give(nearest(x, y), state.chosen);
  Live.dragged(canvas, (right, down, x, y) => put(x, y), put);
  const buttons = uv.map((_, i) => Live.button("", () => give(i, (state.groups[i] + 1) % K), { class: "live-joint" }));
  const tools = colours.map((_, k) => Live.button(`group ${k + 1}`, () => set({ chosen: k })));
  const fingers = ["wrist", ...new Set(Live.joints.slice(1).map((name) => name.split(" ")[0]))];
  const lines = fingers.map((finger) =>
    Live.element("div", { class: "live-buttons", role: "group", "aria-label": finger }, Live.element("span", { class: "live-name" }, finger), ...buttons.filter((_, i) => Live.joints[i].split(" ")[0] === finger)));

  const free = Live.element("div", {},
    Live.element("div", { class: "live-buttons", role: "group", "aria-label": "The group that a tap on the hand gives" }, ...tools),
    ...lines,
    Live.buttons(Live.button("thumb, index, rest", () => set({ groups: manual.groups })), ...learnt.map(({ name, groups }) => Live.button(name, () => set({ groups }))), Live.button("by lot", () => set({ groups: dealt(manual.groups, Math.random) }))),
    table.element);
  const choices = ["no more than by chance", "more than by chance", "they are the same"];
  const settle = async () => {
    const { index, limit } = against(manual.groups, learnt.map(({ groups }) => groups));
    const seeds = learnt.length === 1 ? "One training’s learnt groups" : `The learnt groups of ${learnt.length} trainings`;
    const said = `${seeds} and those by hand have an adjusted Rand index of ${Live.change(index, 2)}; of ${DEALS} dealings by lot 95 % stay below ${Live.change(limit, 2)}.`;
    return { right: index === 1 ? 2 : index > limit ? 1 : 0, said };
  };
  stage.append(
    ...Live.guessed("How alike are the groups that networks learn and “thumb, index, rest”?", choices, free, settle, draw),
    Live.panes(Live.pane(canvas, "“thumb, index, rest” to begin with: tap or stroke joints to put them into the chosen group")),
    free);
  draw();
};
