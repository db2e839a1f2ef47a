// What happens when a reader has asked for a figure: its networks and hands are loaded, and the still gives way to it.
{
  const Live = (globalThis.Live ??= {});

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

  // Bring a section to life; bar shows how much has arrived.
  Live.bring = async (section, bar) => {
    Object.assign(Live.titles, JSON.parse(section.dataset.titles ?? "{}"));
    const found = await Live.load(Live.needs(section), (bytes) => (bar.value += bytes));
    const stage = Live.element("div", { class: "live-stage" }), { elements, say } = Live.sentence();
    const widget = Live.widgets[section.dataset.widget]({ stage, say, ...found, section });
    stage.append(...elements);
    bar.replaceWith(stage);
    const rest = ownRow(section, found, widget);
    if (rest) stage.append(rest);
    section.classList.add("is-live"); // the still gives way, see live.css
    stage.tabIndex = -1;
    stage.focus({ preventScroll: true });
  };

  // A file of one's own in the place of one of the networks: chosen, or dropped on the figure. A widget takes any row by
  // own(network), or one of its own rows by changed(), with `networks` as it is now.
  const ownRow = (section, { networks }, widget) => {
    if (!widget?.changed && !widget?.own) return null;
    const said = Live.element("span", { role: "status" });
    const replace = (row, own, shown) => {
      try {
        networks[row] = own;
        widget.changed();
      } catch (error) { // what the figure asks of it is not there
        networks[row] = shown;
        widget.changed();
        throw error;
      }
    };
    const take = async (file) => {
      try {
        const own = await Live.ownNetwork(file), { row } = own.about;
        if (!widget.own && !Object.hasOwn(networks, row)) throw new Error(`it is of ${row}, and this figure shows ${Object.keys(networks).join(" and ")}`);
        const shown = networks[row], unlike = ["side", "stem", "final"].some((name) => own.structure[name] !== shown?.structure[name]);
        if (!widget.own && unlike) throw new Error("its picture or its maps have another size than this figure’s");
        if (widget.own) widget.own(own);
        else replace(row, own, shown);
        said.textContent = `Now in use: your ${Live.about(own)}.`;
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
}
