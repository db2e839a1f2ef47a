// Moves the opening of the book: each hand is found joint by joint while it turns, then the next one follows.
// What it moves stands on the page already, drawn by hand_lib/figures/opening_drawing.py; turned() is the same there.
for (const figure of document.querySelectorAll("figure.opening")) {
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const button = figure.querySelector("button");
  const [picture, network, space] = ["picture", "network", "space"].map((n) => figure.querySelector(`.opening-${n} svg`));
  const all = (root, selector) => [...root.querySelectorAll(selector)];
  const side = space.viewBox.baseVal.width;
  const FIRST = 0.9, STEP = 0.22, HOLD = 5, LAST = 0.6; // seconds: looking, a joint, the whole hand, going
  const BEGIN = FIRST + 21 * STEP; // as the still has it: the first hand is whole
  const whole = BEGIN + HOLD + LAST;

  const middle = (points) => [0, 1, 2].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  const turned = (points, centre, turn) => {
    const [a, b] = [turn, data.tilt].map((degrees) => (degrees * Math.PI) / 180);
    return points.map((p) => {
      const [x, y, z] = p.map((value, k) => value - centre[k]);
      const across = x * Math.cos(a) + z * Math.sin(a);
      const away = z * Math.cos(a) - x * Math.sin(a);
      return [side / 2 + data.scale * across, side / 2 + data.scale * (y * Math.cos(b) - away * Math.sin(b))];
    });
  };
  const place = (root, kind, points, bones) =>
    all(root, `line.${kind}`).forEach((line, i) => {
      const [from, to] = bones[i].map((joint) => points[joint]);
      Object.entries({ x1: from[0], y1: from[1], x2: to[0], y2: to[1] }).forEach(([k, v]) => line.setAttribute(k, v.toFixed(1)));
    });
  const dots = (root, points) =>
    all(root, "circle.joint").forEach((dot, i) => {
      dot.setAttribute("cx", points[i][0].toFixed(1));
      dot.setAttribute("cy", points[i][1].toFixed(1));
    });
  const bones = all(space, "line.bone").map((line) => {
    const child = Number(line.dataset.joint);
    return [(child - 1) % 4 === 0 ? 0 : child - 1, child];
  });
  const circle = Array.from({ length: 48 }, (_, i) => (2 * Math.PI * i) / 48).map((t) => [
    data.ring * Math.sin(t), data.below, -data.ring * Math.cos(t),
  ]);

  let shown = 0;
  const show = (index) => {
    const hand = data.hands[index];
    picture.querySelector("image").setAttribute("href", hand.picture);
    for (const kind of ["halo", "bone"]) place(picture, kind, hand.uv, bones);
    dots(picture, hand.uv);
    all(network, ".feature").forEach((image, i) => image.setAttribute("href", hand.features[i]));
    all(network, ".joint-map").forEach((image, i) => image.setAttribute("href", hand.joint_maps[i]));
    shown = index;
  };
  const draw = (seconds) => {
    const index = Math.floor(seconds / whole) % data.hands.length;
    if (index !== shown) show(index);
    const hand = data.hands[index];
    const at = seconds % whole;
    const found = Math.floor((at - FIRST) / STEP); // the joint that is being found
    const turn = data.turn * Math.cos((seconds - BEGIN) * 0.55);
    const centre = middle(hand.truth);
    const points = turned(hand.xyz, centre, turn);
    place(space, "bone", points, bones);
    place(space, "ghost", turned(hand.truth, centre, turn), bones);
    dots(space, points);
    const ground = turned(circle, [0, 0, 0], turn);
    space.querySelector(".ground").setAttribute("points", ground.map((p) => p.map((v) => v.toFixed(1)).join()).join(" "));
    space.querySelector(".camera").setAttribute("cx", ground[0][0].toFixed(1));
    space.querySelector(".camera").setAttribute("cy", ground[0][1].toFixed(1));
    for (const root of [picture, network, space])
      for (const part of all(root, "[data-joint]")) {
        const joint = Number(part.dataset.joint);
        part.classList.toggle("later", joint > found);
        part.classList.toggle("now", joint === found);
      }
    figure.classList.toggle("looking", at < FIRST);
    figure.style.setProperty("--shown", Math.min(1, at / 0.4, (whole - at) / LAST).toFixed(2));
  };

  // Whoever asks for less motion starts it by the button.
  let clock = BEGIN, before = null, seen = true;
  let moving = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const tick = (now) => {
    if (!moving || !seen) return (before = null);
    if (before !== null) draw((clock += Math.min(0.1, (now - before) / 1000)));
    before = now;
    requestAnimationFrame(tick);
  };
  const start = () => before === null && requestAnimationFrame(tick);
  button.hidden = false;
  button.textContent = moving ? "Pause" : "Play";
  button.addEventListener("click", () => {
    moving = !moving;
    button.textContent = moving ? "Pause" : "Play";
    start();
  });
  addEventListener("beforeprint", () => draw((clock = BEGIN))); // on paper the first hand stands whole
  new IntersectionObserver(([entry]) => {
    seen = entry.isIntersecting; // nothing is computed for what nobody sees
    start();
  }).observe(figure);
}
