// Draws the figures that hand_lib.book.plotly_renderer left in the page.
window.addEventListener("load", () => {
  for (const place of document.querySelectorAll(".plotly-figure")) {
    const figure = JSON.parse(document.querySelector(`[data-plotly-for="${place.id}"]`).textContent);
    const layout = { ...figure.layout, autosize: true };
    delete layout.width; // as wide as the column, also on a phone
    Plotly.newPlot(place, {
      data: figure.data,
      layout,
      frames: figure.frames,
      config: { displaylogo: false, ...figure.config, responsive: true },
    });
  }
});
