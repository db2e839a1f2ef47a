// Draws the figures that hand_lib.book.plotly_renderer left in the page, in the ink that suits its theme.

// Colours that are lost on a dark page are changed, wherever they stand; names such as "white" lie over pictures.
const onDark = (value) => {
  if (typeof value === "string") return window.darkInks[value.toLowerCase()] ?? value;
  if (Array.isArray(value)) return value.map(onDark);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, onDark(part)]));
};

const inInk = (figure) => (document.documentElement.dataset.theme === "dark" ? onDark(figure) : figure);

// On a phone a scene is seen from further away, and a legend of several lines has room under the title.
const fitted = (layout, width) => {
  if (width > 520) return layout;
  const { margin, scene } = layout;
  const further = { ...scene?.camera?.eye };
  for (const axis in further) further[axis] *= 1.28;
  return {
    ...layout,
    ...(scene && { scene: { ...scene, camera: { ...scene.camera, eye: further } } }),
    ...(layout.title?.text && layout.sliders && { margin: { ...margin, t: margin.t + 36 } }),
  };
};

const draw = (place) => {
  const figure = JSON.parse(document.querySelector(`[data-plotly-for="${place.id}"]`).textContent);
  const layout = { ...fitted(figure.layout, place.clientWidth), autosize: true };
  delete layout.width; // as wide as the column, also on a phone
  const active = place.layout?.sliders?.[0]?.active; // where the reader has moved it
  const inked = inInk({ data: figure.data, layout, frames: figure.frames });
  const options = { displaylogo: false, ...figure.config, responsive: true };
  if (active === undefined) return Plotly.newPlot(place, { ...inked, config: options });
  inked.layout.sliders[0].active = active;
  const still = { mode: "immediate", frame: { duration: 0, redraw: true }, transition: { duration: 0 } };
  return Plotly.react(place, { ...inked, config: options }).then(() =>
    Plotly.animate(place, [inked.frames[active].name], still),
  );
};

// On paper nothing moves: each figure becomes a picture of itself, one after the other, without its controls.
const still = async (place) => {
  const { data, layout } = JSON.parse(document.querySelector(`[data-plotly-for="${place.id}"]`).textContent);
  const { sliders, updatemenus, ...bare } = layout;
  const size = { width: 640, height: (layout.height ?? 450) - (sliders ? 80 : 0) };
  const picture = new Image();
  picture.alt = place.getAttribute("aria-label");
  picture.src = await Plotly.toImage({ data, layout: { ...bare, ...size } }, { format: "png", scale: 2, ...size });
  place.replaceChildren(picture);
  place.style.minHeight = 0;
};

window.addEventListener("load", () => {
  const places = [...document.querySelectorAll(".plotly-figure")];
  if (matchMedia("print").matches) {
    window.stills = places.reduce((before, place) => before.then(() => still(place)), Promise.resolve());
    return;
  }
  places.forEach(draw);
  new MutationObserver(() => places.forEach(draw)).observe(document.documentElement, {
    attributeFilter: ["data-theme"],
  });
});
