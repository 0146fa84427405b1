"use strict";
// Draw every figure in the colours of the style sheet, and again when the scheme changes or the page is printed.
(() => {
  const root = document.documentElement;
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const systemIsDark = window.matchMedia("(prefers-color-scheme: dark)");
  const isCoarse = window.matchMedia("(pointer: coarse)").matches;
  const PRINT_WIDTH = 680;
  const NARROW = 560;
  let chosen = null;
  let isPrinting = false;
  let drawing = Promise.resolve();
  let drawnWidth = window.innerWidth;
  let resizing = null;

  // The page holds Plotly compressed, as letters. The policy of the page allows a script that is part of it.
  async function openPlotly() {
    const letters = document.getElementById("plotly");
    const bytes = Uint8Array.from(atob(letters.textContent), (letter) => letter.charCodeAt(0));
    const script = document.createElement("script");
    script.textContent = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
    document.head.append(script);
  }

  const theme = () => (isPrinting ? "light" : chosen ?? (systemIsDark.matches ? "dark" : "light"));

  // Replace "var(--name)" with the colour of the style sheet, only under keys that hold colours: texts stay as they are.
  function coloured(value, style, isColour = false) {
    if (typeof value === "string") {
      const name = isColour && /^var\((--[\w-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style, isColour));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, coloured(inner, style, /color/.test(key) && key !== "colorbar")]),
    );
  }

  function template(style) {
    const get = (name) => style.getPropertyValue(name).trim();
    const axis = {
      gridcolor: get("--grid"), linecolor: get("--rule"), zerolinecolor: get("--faint"), zerolinewidth: 1,
      automargin: true, title: { standoff: 10, font: { size: 12 } }, tickfont: { size: 12 }, ticks: "", exponentformat: "power",
    };
    return {
      layout: {
        font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: get("--muted") },
        title: { font: { size: 13, color: get("--ink") }, x: 0, xref: "container", xanchor: "left", y: 0.98, yanchor: "top" },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        xaxis: axis, yaxis: axis, margin: { l: 8, r: 16, t: 34, b: 8 },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: get("--ink") } },
        hoverlabel: { bgcolor: get("--panel"), bordercolor: get("--rule"), font: { color: get("--ink"), size: 12 }, align: "left" },
      },
    };
  }

  function merged(base, patch) {
    const isPlain = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
    const result = { ...base };
    for (const [key, value] of Object.entries(patch)) {
      result[key] = isPlain(value) && isPlain(base[key]) ? merged(base[key], value) : value;
    }
    return result;
  }

  // On a narrow screen, row names would take half of the width, so break them into lines.
  function wrapped(axis) {
    if (!axis?.categoryarray) return axis;
    const lines = (name) => name.replace(/(.{13,}?) /g, "$1<br>");
    return { ...axis, tickmode: "array", tickvals: axis.categoryarray, ticktext: axis.categoryarray.map(lines), tickfont: { size: 10 } };
  }

  function layoutOf(figure, style, width, isNarrow) {
    let layout = coloured(figure.layout, style);
    if (isNarrow) layout = merged({ ...layout, yaxis: wrapped(layout.yaxis), ...(layout.yaxis2 && { yaxis2: wrapped(layout.yaxis2) }) }, coloured(figure.narrow, style));
    return {
      showlegend: false, dragmode: isCoarse ? false : "zoom", height: figure.height, ...layout,
      template: template(style), ...(width ? { width, autosize: false } : { autosize: true }),
    };
  }

  function draw(plot) {
    const figure = figures[plot.dataset.figure];
    const style = getComputedStyle(root);
    const width = isPrinting ? (plot.closest(".half") ? PRINT_WIDTH / 2 - 12 : PRINT_WIDTH) : null;
    const config = { responsive: false, displaylogo: false, displayModeBar: false, doubleClick: "reset" };
    const layout = layoutOf(figure, style, width, !isPrinting && plot.clientWidth < NARROW && !plot.closest(".half"));
    plot.style.height = `${layout.height}px`;
    return Plotly.react(plot, coloured(figure.data, style), layout, config);
  }

  async function drawAll() {
    root.dataset.theme = theme();
    root.dataset.drawn = "no";
    for (const plot of plots) {
      await draw(plot);
      await new Promise((resolve) => setTimeout(resolve)); // the page can be read and scrolled in the meantime
    }
    root.dataset.drawn = theme();
  }

  // Draw one after the other: two drawings at a time would measure each other's unfinished texts.
  function drawSoon() {
    drawing = drawing.then(drawAll);
  }

  function resized() {
    if (window.innerWidth === drawnWidth || isPrinting) return;
    drawnWidth = window.innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(drawSoon, 150);
  }

  function print(isOn) {
    if (isPrinting === isOn) return;
    isPrinting = isOn;
    root.dataset.theme = theme();
    document.querySelectorAll("details").forEach((details) => { details.open = isOn; });
    if (window.Plotly) plots.forEach(draw); // not awaited: the browser prints as soon as this function returns, and the figures are drawn by then
  }

  document.getElementById("theme").addEventListener("click", () => {
    chosen = theme() === "dark" ? "light" : "dark";
    drawSoon();
  });
  systemIsDark.addEventListener("change", drawSoon);
  window.addEventListener("resize", resized);
  window.addEventListener("beforeprint", () => print(true));
  window.addEventListener("afterprint", () => print(false));
  root.dataset.theme = theme();
  if ("DecompressionStream" in window) {
    drawing = openPlotly();
    drawSoon();
  } else {
    document.getElementById("undrawn").hidden = false;
  }
})();
