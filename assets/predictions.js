// A chapter's predictions: asked at its head, kept in this browser, and read back where the chapter answers them.
//
// The notebook's own text says all of it. A paragraph that begins with "**Your prediction.**" stands before a numbered
// list. An item ends either with its choices in italics, "*nearer · farther · the same*", or with a blank to fill in
// and its unit, "____ mm". Where the text settles an item, a paragraph begins with its number: "**Prediction 2.**".
// Without this script all of that can still be read.
{
  const BLANK = /_{3,}\s*/;
  const chapter = decodeURIComponent(location.pathname.split("/").pop()).replace(/\.html$/, "");
  const key = (number) => `joint-by-joint/${chapter}/prediction/${number}`;

  // Where the browser keeps nothing, an answer lasts as long as the page.
  const onThisPage = new Map();
  let lasting = true;
  const stored = (act) => {
    try {
      return act(window.localStorage);
    } catch {
      lasting = false;
      return null;
    }
  };
  const read = (number) => onThisPage.get(number) ?? stored((storage) => storage.getItem(key(number))) ?? "";
  const keep = (number, answer) => {
    onThisPage.set(number, answer);
    stored((storage) => (answer ? storage.setItem(key(number), answer) : storage.removeItem(key(number))));
  };

  const element = (name, attributes, ...children) => {
    const made = document.createElement(name);
    for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
    made.append(...children);
    return made;
  };

  // Each returns the field, and a function that puts an answer into it and returns what it took: an answer that is no
  // longer among the choices is none.
  const choices = (number, italics, answered) => {
    const buttons = italics.textContent.split("·").map((text) => {
      const button = element("input", { type: "radio", name: `prediction-${number}`, value: text.trim() });
      button.addEventListener("change", () => answered(button.value));
      return button;
    });
    const field = element(
      "span",
      { class: "prediction-field", role: "radiogroup" },
      ...buttons.map((button) => element("label", {}, button, element("span", {}, button.value))),
    );
    italics.replaceWith(field);
    const put = (answer) => {
      for (const button of buttons) button.checked = button.value === answer;
      return buttons.some((button) => button.checked) ? answer : "";
    };
    return [field, put];
  };

  const blank = (number, text, answered) => {
    const [question, unit] = text.textContent.split(BLANK);
    const input = element("input", { type: "text", inputmode: "decimal", autocomplete: "off", maxlength: 12 });
    input.addEventListener("input", () => {
      const typed = input.value.trim();
      answered(typed && `${typed} ${unit.trim()}`.trim());
    });
    const field = element("span", { class: "prediction-field" }, element("label", {}, input, ` ${unit.trim()}`));
    text.replaceWith(question, field);
    const put = (answer) => {
      input.value = answer.slice(0, answer.length - unit.trim().length).trim();
      return answer;
    };
    return [field, put];
  };

  const says = (paragraph, pattern) => {
    const strong = paragraph.firstChild;
    return strong?.nodeName === "STRONG" && strong.textContent.trim().match(pattern);
  };
  const paragraphs = [...document.querySelectorAll("article p")];
  const head = paragraphs.find((paragraph) => says(paragraph, /^Your prediction\.$/));
  let list = head?.nextElementSibling;
  while (list && list.nodeName !== "OL") list = list.nextElementSibling;

  if (list) {
    // Every place where a prediction is settled, by its number.
    const places = new Map();
    for (const paragraph of paragraphs) {
      const found = says(paragraph, /^Prediction (\d+)\.$/);
      if (!found) continue;
      const said = element("span", { class: "prediction-said", role: "status", "aria-live": "polite" });
      paragraph.firstChild.after(" ", said);
      places.set(found[1], [...(places.get(found[1]) ?? []), said]);
    }
    const labels = new Map();
    const show = (number, answer) => {
      for (const said of places.get(number) ?? []) {
        const to = { href: `#prediction-${number}`, title: labels.get(number) };
        const link = element("a", to, answer ? "the question" : "Guess first?");
        said.replaceChildren(...(answer ? ["You said: ", element("strong", {}, answer), " (", link, ")."] : [link]));
      }
    };

    const fields = new Map();
    [...list.children].forEach((item, index) => {
      const number = String(index + 1);
      const asked = item.querySelector("p") ?? item;
      const answered = (answer) => {
        keep(number, answer);
        show(number, answer);
      };
      const last = [...asked.childNodes].findLast((node) => node.textContent.trim());
      let made;
      if (last?.nodeName === "EM" && last.textContent.includes("·")) made = choices(number, last, answered);
      else if (last?.nodeName === "#text" && BLANK.test(last.textContent)) made = blank(number, last, answered);
      if (!made) return;
      const [field, put] = made;
      item.id = `prediction-${number}`;
      item.classList.add("prediction");
      const question = [];
      for (let node = asked.firstChild; node !== field; node = node.nextSibling) question.push(node.textContent);
      const label = `Prediction ${number}: ${question.join("").replace(/\s+/g, " ").trim()}`;
      (field.querySelector("input[type=text]") ?? field).setAttribute("aria-label", label);
      labels.set(number, label);
      fields.set(number, put);
      show(number, put(read(number)));
    });

    if (fields.size) {
      const forget = element("button", { type: "button" }, "Forget my answers");
      forget.addEventListener("click", () => {
        for (const [number, put] of fields) {
          keep(number, "");
          show(number, put(""));
        }
      });
      const where = lasting
        ? "Your answers stay in this browser."
        : "This browser keeps nothing: your answers last as long as this page.";
      list.after(element("p", { class: "prediction-note" }, `${where} The chapter comes back to each. `, forget));
    }
  }
}
