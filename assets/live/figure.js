// Finds the figures of a page that a network can move, <section class="live" data-widget="…" data-rows="…">, and brings
// each to life when its reader asks for it. Until then, and where something is missing, the still beside it stays.
{
  const Live = (globalThis.Live ??= {});
  Live.folder = new URL(".", document.currentScript.src).href;
  Live.widgets = {}; // by name; each takes what start() gives it

  // What a section needs: the networks of its rows, and the hands unless it says otherwise.
  const needs = (section) => [...(section.dataset.rows ?? "").split(" ").filter(Boolean), ...(section.dataset.hands === "none" ? [] : ["hands"])];
  const size = (names) => names.reduce((sum, name) => sum + (Live.files[name]?.bytes ?? 0), 0);
  Live.megabytes = (names) => `${((size(names) * 4) / 3 / 1e6).toFixed(1)} MB`; // base64 is a third larger

  // The networks and hands of these names, told of each byte that arrives. Throws an Error for people.
  Live.load = async (names, arrived = () => {}) => {
    const networks = {};
    let hands = null;
    for (const name of names) {
      const file = await Live.open(name, arrived);
      await Live.breath();
      if (name === "hands") hands = Live.hands(file);
      else networks[name] = Live.network({ ...file, tensors: { ...file.tensors } });
    }
    return { networks, hands };
  };

  // A reader's own model.safetensors. Throws an Error for people.
  Live.ownNetwork = async (file) => Live.network(Live.readTensors(await file.arrayBuffer()));

  // Of a network: what it is, for a sentence.
  Live.about = ({ about }) => `${about.row}, profile ${about.profile}, seed ${about.seed}`;

  const start = async (section, button) => {
    const names = needs(section), total = size(names);
    const bar = Live.element("progress", { max: total, value: 0, "aria-label": "loaded" });
    section.querySelector(".live-problem")?.remove();
    button.replaceWith(bar);
    try {
      const found = await Live.load(names, (bytes) => (bar.value += bytes));
      const stage = Live.element("div", { class: "live-stage" }), { elements, say } = Live.sentence();
      const widget = Live.widgets[section.dataset.widget]({ stage, say, ...found, section });
      stage.append(...elements);
      bar.replaceWith(stage);
      const rest = ownRow(section, found, widget);
      if (rest) stage.append(rest);
      section.classList.add("is-live"); // the still gives way, see live.css
      stage.tabIndex = -1;
      stage.focus({ preventScroll: true });
    } catch (error) {
      const why = Live.element("p", { class: "live-problem", role: "alert" }, `This figure stays as it is: ${error.message}.`);
      bar.replaceWith(button);
      button.textContent = "Try again";
      section.append(why);
    }
  };

  // A file of one's own in the place of one of the networks: chosen, or dropped on the figure. A widget takes any row by
  // own(network), or one of its own rows by changed(), with `networks` as it is now.
  const ownRow = (section, { networks }, widget) => {
    if (!widget?.changed && !widget?.own) return null;
    const said = Live.element("span", { role: "status" });
    const take = async (file) => {
      try {
        const own = await Live.ownNetwork(file), { row } = own.about;
        if (!widget.own && !(row in networks)) throw new Error(`it is of ${row}, and this figure shows ${Object.keys(networks).join(" and ")}`);
        said.textContent = `Now in use: your ${Live.about(own)}.`;
        if (widget.own) return widget.own(own);
        networks[row] = own;
        widget.changed();
      } catch (error) {
        said.textContent = `${file.name} is not used: ${error.message}.`;
      }
    };
    const input = Live.element("input", { type: "file", accept: ".safetensors" });
    input.addEventListener("change", () => {
      if (input.files[0]) take(input.files[0]);
      input.value = ""; // so that the same file, trained on, can be chosen again
    });
    section.addEventListener("dragover", (event) => event.preventDefault());
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });
    return Live.element("p", { class: "live-own" }, Live.element("label", {}, "Your own trained model.safetensors: ", input), " ", said);
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const section of document.querySelectorAll("section.live")) {
      if (!Live.widgets[section.dataset.widget]) continue;
      const names = needs(section), verb = section.dataset.verb ?? "Move it yourself";
      const button = Live.button(`${verb}: load ${Live.megabytes(names)}`, () => start(section, button), { class: "live-load" });
      section.append(button);
    }
  });
}
