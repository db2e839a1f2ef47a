// What tests/test_site.py asks of a page, inside the browser: an expression whose value has three functions.
({
  // How many figures are still to be drawn.
  waiting: () =>
  [...document.querySelectorAll(".plotly-figure")].filter((e) => !e.querySelector(".main-svg, canvas")).length,

  // What is wrong with the page as it stands, as sentences. An empty list is a good page.
  faults: () => {
    const faults = [];
    const article = document.querySelector("article") || document.body;
    const name = (e) => `<${e.tagName.toLowerCase()}> ${(e.textContent || e.id).trim().slice(0, 60)}`;

    // Formulas
    for (const formula of article.querySelectorAll(".math"))
      if (!formula.querySelector("mjx-container")) faults.push(`not typeset: ${name(formula)}`);
    for (const formula of document.querySelectorAll("mjx-merror, [data-mjx-error]"))
      faults.push(`a formula with an error: ${name(formula)}`);
    const texts = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { parentElement: parent, textContent: text } = texts.currentNode;
      if (parent.closest("script, style, noscript, code, pre, mjx-container, .plotly-figure, .math")) continue;
      if (/\\\(|\\\[|\$[^$\s][^$\n]*\$|\{(eq|ref|cite|term|numref|doc|math)\}`/.test(text))
        faults.push(`raw markup in the text: ${text.trim().slice(0, 80)}`);
    }

    // Figures and pictures
    for (const figure of document.querySelectorAll(".plotly-figure")) {
      if (!figure.getAttribute("aria-label")) faults.push(`a figure without a description: ${figure.id}`);
      if (/webgl is not supported/i.test(figure.textContent)) faults.push(`no WebGL for ${figure.id}`);
      const box = figure.querySelector(".main-svg").getBoundingClientRect();
      if (box.width < 200 || box.height < 100) faults.push(`${figure.id} is ${box.width} x ${box.height}`);
      if (box.right > innerWidth + 1) faults.push(`${figure.id} is wider than the page`);
    }
    for (const widget of document.querySelectorAll(".widget-subarea > *"))
      if (widget.getBoundingClientRect().height < 10) faults.push(`a widget that cannot be seen: ${name(widget)}`);
    for (const image of article.querySelectorAll("img")) {
      const alt = (image.getAttribute("alt") || "").trim();
      if (!alt || /\.(png|svg|jpe?g|gif)$/i.test(alt)) faults.push(`a picture without a description: ${image.src.slice(-60)}`);
      if (image.complete && !image.naturalWidth) faults.push(`a picture that is not there: ${image.src.slice(-60)}`);
    }

    // Nothing makes the page itself scroll sideways
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth + 1) {
      const wide = [...article.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1);
      faults.push(`the page is ${root.scrollWidth} px wide in ${root.clientWidth}: ${wide.slice(0, 3).map(name).join("; ")}`);
    }
    return faults;
  },

  // Texts whose contrast with what lies behind them is below 4.5 (WCAG 2, level AA).
  faint: () => {
    const parse = (color) => {
      const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
      return { rgb: [r, g, b], a };
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      const layers = [];
      for (let e = element; e; e = e.parentElement) {
        const layer = parse(getComputedStyle(e).backgroundColor);
        layers.push(layer);
        if (layer.a === 1) break;
      }
      return layers.reverse().reduce((rgb, { rgb: over, a }) => rgb.map((v, i) => v * (1 - a) + over[i] * a), [255, 255, 255]);
    };
    const faint = new Set();
    const article = document.querySelector("article");
    for (const e of article.querySelectorAll("p, li, td, th, h1, h2, h3, dt, dd, figcaption, .widget-label, .output pre")) {
      const own = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
      if (!own || !e.checkVisibility() || e.closest(".plotly-figure")) continue;
      const [a, b] = [luminance(parse(getComputedStyle(e).color).rgb), luminance(behind(e))];
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (contrast < 4.5) faint.add(`contrast ${contrast.toFixed(1)}: <${e.tagName.toLowerCase()}> ${e.textContent.trim().slice(0, 50)}`);
    }
    return [...faint];
  },
})
