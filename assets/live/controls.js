// What a figure is moved by: sliders, buttons, a guess; by finger, mouse and keys alike. And what it says.
{
  const Live = (globalThis.Live ??= {});
  const { element } = Live;

  // Numbers for people: a minus that is one, and a plus where a change is meant.
  Live.number = (value, digits = 1) => value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1").replace("-", "−");
  Live.change = (value, digits = 1) => (Live.number(value, digits).startsWith("−") ? "" : "+") + Live.number(value, digits);

  // act(right, down, x, y): how far the pointer went, and where it is, in widths of the element. down(x, y): where it
  // was put down. One pointer drags: a second finger or another button of the mouse does nothing meanwhile.
  Live.dragged = (target, act, down = () => {}) => {
    target.classList.add("live-dragged");
    let held = null, last;
    const place = (event) => {
      const box = target.getBoundingClientRect();
      return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.width];
    };
    target.addEventListener("pointerdown", (event) => {
      if (held !== null || event.button) return;
      target.setPointerCapture(event.pointerId);
      [held, last] = [event.pointerId, place(event)];
      down(...last);
    });
    target.addEventListener("pointermove", (event) => {
      if (event.pointerId !== held) return;
      const now = place(event);
      act(now[0] - last[0], now[1] - last[1], ...now);
      last = now;
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      target.addEventListener(end, (event) => {
        if (event.pointerId === held) held = null;
      });
  };

  // act(right, down): one step of an arrow key.
  Live.arrows = (target, act) => {
    if (target instanceof HTMLCanvasElement) target.tabIndex = 0;
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    target.addEventListener("keydown", (event) => {
      if (!steps[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      act(...steps[event.key]);
    });
  };

  // push(right, down): how far a picture of this side is dragged, or moved by an arrow key, in its pixels.
  Live.pushed = (canvas, side, push) => {
    Live.dragged(canvas, (right, down) => push(right * side, down * side));
    Live.arrows(canvas, push);
  };

  // A slider with its name and value: {element, set(value)}.
  Live.slider = ({ name, from, to, step = 1, value, unit = "", changed }) => {
    const input = element("input", { type: "range", min: from, max: to, step, value }), said = element("output");
    const digits = `${step}`.split(".")[1]?.length ?? 0;
    const say = () => {
      said.textContent = Live.number(+input.value, digits) + unit;
      input.setAttribute("aria-valuetext", said.textContent);
    };
    input.addEventListener("input", () => {
      say();
      changed(+input.value);
    });
    say();
    const set = (next) => {
      input.value = next;
      say();
    };
    return { element: element("label", { class: "live-slider" }, element("span", {}, name), input, said), set };
  };

  // A slider for each of a figure's numbers, {name: {title, from, to, step, value, unit}}; changed({name: value}) is
  // told. put(state): they show the state's numbers, kept between their ends; the state so changed.
  Live.sliders = (numbers, changed) => {
    const made = Object.entries(numbers).map(([name, { title = name, to, from = -to, value = 0, ...rest }]) => {
      const slider = Live.slider({ name: title, from, to, value, ...rest, changed: (next) => changed({ [name]: next }) });
      return { name, from, to, ...slider };
    });
    const put = (state) => {
      const kept = { ...state };
      for (const { name, from, to, set } of made) set((kept[name] = Math.max(from, Math.min(to, state[name]))));
      return kept;
    };
    return { elements: made.map((slider) => slider.element), put };
  };

  // A button that is on or off.
  Live.toggle = (text, on, changed) =>
    Live.button(text, (made) => {
      const now = made.getAttribute("aria-pressed") !== "true";
      made.setAttribute("aria-pressed", now);
      changed(now);
    }, { "aria-pressed": on });

  Live.choice = (name, options, chosen, changed) => {
    const list = element("select", {}, ...options.map(([value, text]) => element("option", { value }, text)));
    list.value = chosen;
    list.addEventListener("change", () => changed(list.value));
    return element("label", { class: "live-choice" }, element("span", {}, name), list);
  };

  // Which hand is looked at: chosen(number) is told.
  Live.handChooser = (count, first, chosen) => {
    let now = first;
    const go = (step) => chosen((now = (now + step + count) % count));
    return [Live.button("‹ hand", () => go(-1), { "aria-label": "previous hand" }), Live.button("hand ›", () => go(1), { "aria-label": "next hand" })];
  };

  // A question first: reveal(guess) is called once, with the number of the choice.
  Live.guess = (question, choices, reveal) => {
    const buttons = choices.map((text, i) =>
      Live.button(text, (made) => {
        for (const button of buttons) button.disabled = true;
        made.setAttribute("aria-pressed", true);
        reveal(i);
      }));
    const heading = element("p", {}, element("strong", {}, "Guess first. "), question);
    return element("div", { class: "live-guess" }, heading, element("div", { class: "live-buttons" }, ...buttons));
  };

  // Draws at most once a frame, however often it is asked.
  Live.soon = (draw) => {
    let asked = false;
    return () => {
      if (asked) return;
      asked = true;
      requestAnimationFrame(() => {
        asked = false;
        draw();
      });
    };
  };
  Live.breath = () => new Promise((resolve) => setTimeout(resolve));

  // A sentence that changes: seen at once, and read aloud when it has stood for a while.
  Live.sentence = () => {
    const seen = element("p", { class: "live-said" }), heard = element("p", { class: "live-heard", "aria-live": "polite" });
    let waiting;
    const say = (text) => {
      seen.textContent = text;
      clearTimeout(waiting);
      waiting = setTimeout(() => (heard.textContent = text), 900);
    };
    return { elements: [seen, heard], say };
  };

  Live.pane = (content, caption) => element("figure", {}, content, element("figcaption", {}, caption));
  Live.panes = (...panes) => element("div", { class: "live-panes" }, ...panes);
}
