// Finds the figures of a page that a network can move, <section class="live" data-widget="…" data-rows="…">, and puts a
// button there. All other scripts come when it is pressed. Until then, and where something is missing, the still stays.
{
  const Live = (globalThis.Live ??= {});
  Live.folder = new URL(".", document.currentScript.src).href;
  Live.widgets = {}; // by name; each takes what Live.bring of figure.js gives it

  Live.element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(attribute, value);
    made.append(...children);
    return made;
  };

  Live.button = (text, pressed, attributes = {}) => {
    const made = Live.element("button", { type: "button", ...attributes }, text);
    made.addEventListener("click", () => pressed(made));
    return made;
  };

  // One more script of the site: a page that is opened from the disk may not fetch.
  Live.script = (source) =>
    new Promise((resolve, reject) => {
      const tag = document.createElement("script");
      tag.src = Live.folder + source;
      tag.onload = () => resolve(tag.remove());
      tag.onerror = () => reject(new Error(`${tag.src.split("/").slice(-2).join("/")} is not there`));
      document.head.append(tag);
    });
  // The run time, once; and a widget.
  const whole = async (source, there) => { // a script that came, but cut short, says nothing by itself
    if (!there()) await Live.script(source);
    if (!there()) throw new Error(`${source} is not what it should be`);
  };
  let ready;
  Live.ready = () => (ready ??= whole("live.js", () => Live.bring).catch((error) => {
    ready = null; // the next try begins anew
    throw error;
  }));
  const widget = async (name) => {
    await Live.ready();
    await whole(`widgets/${name}.js`, () => Live.widgets[name]);
  };

  // What a section needs: the networks of its rows, and the hands unless it says otherwise.
  Live.needs = (section) => [...(section.dataset.rows ?? "").split(" ").filter(Boolean), ...(section.dataset.hands === "none" ? [] : ["hands"])];
  Live.size = (names) => names.reduce((sum, name) => sum + (Live.files?.[name]?.bytes ?? 0), 0);
  Live.megabytes = (names) => `${((Live.size(names) * 4) / 3 / 1e6).toFixed(1)} MB`; // base64 is a third larger

  const start = async (section, button) => {
    const bar = Live.element("progress", { max: Live.size(Live.needs(section)), value: 0, "aria-label": "loaded" });
    section.querySelector(".live-problem")?.remove();
    button.replaceWith(bar);
    try {
      await widget(section.dataset.widget);
      await Live.bring(section, bar);
    } catch (error) {
      const why = Live.element("p", { class: "live-problem", role: "alert" }, `This figure stays as it is: ${error.message}.`);
      bar.replaceWith(button);
      button.textContent = "Try again";
      section.append(why);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    for (const section of document.querySelectorAll("section.live")) {
      if (section.querySelector(".live-load")) continue; // a page that has this script twice
      const names = Live.needs(section), verb = section.dataset.verb ?? "Move it yourself";
      const asked = names.length ? `${verb}: load ${Live.megabytes(names)}` : verb;
      const button = Live.button(asked, () => start(section, button), { class: "live-load" });
      section.append(button);
    }
  });
}
