// The live parts of the page. What every tab needs is here; each tab's own parts are in the file of its name, and add
// themselves to `playground`. Each part is a function that is called once by the gr.HTML component that it fills:
// `element` is the component's root, `props.value` what Python last sent, `watch` tells of changes, `server` calls Python.
// Whatever comes from a model or a person is put into the page as text (textContent), never as markup.
"use strict";

window.playground = (() => {
  const make = (tag, className = "", text = "") => {
    const node = document.createElement(tag);
    node.className = className;
    node.textContent = text;
    return node;
  };

  const isVisible = (element) => element.isConnected && element.offsetParent !== null && !document.hidden;

  // A server function's answer; `undefined` is Gradio's way to say that nobody answered.
  const ask = async (call) =>
    (await call.catch(() => undefined)) ?? { error: "The playground does not answer. A training goes on without it; start the playground again to see it here." };

  // Call `render` now and whenever Python sends something new.
  const follow = (props, watch, render) => {
    const update = () => props.value && render(props.value);
    watch("value", update);
    update();
  };

  const visibleSpaces = (text) => text.replaceAll(" ", "·").replaceAll("\t", "⇥").replaceAll("\n", "↵");

  const button = (text, onclick, className = "pg-button") => {
    const node = make("button", className, text);
    node.type = "button";
    node.onclick = onclick;
    return node;
  };

  // What heads a column of a table; without a title it is no heading.
  const headCell = (title, colSpan = 1) => Object.assign(make(title ? "th" : "td", "", title), title ? { scope: "col", colSpan } : { colSpan });

  // [name, value] pairs as large figures with their names below.
  function facts(pairs) {
    const list = make("dl", "pg-counts");
    for (const [name, value] of pairs) {
      const pair = make("div");
      pair.append(make("dd", "", value), make("dt", "", name));
      list.append(pair);
    }
    return list;
  }

  // --- files -------------------------------------------------------------------------------------------------------

  const bytesOf = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  function download(name, content, type) {
    const link = make("a");
    link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  // --- the text that follows the person from tab to tab -----------------------------------------------------------

  let shared = null; // what was typed last, in whatever tab

  const keepText = (text) => {
    shared = text;
  };

  const offerText = (own) => shared ?? own;

  // --- plots ----------------------------------------------------------------------------------------------------

  const cssColor = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

  // A Plotly layout in the colours of the page, light or dark.
  function themed(layout) {
    const [text, line] = [cssColor("--body-text-color"), cssColor("--border-color-primary")];
    const themedLayout = { ...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    themedLayout.font = { color: text, size: 12 };
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key)))
      themedLayout[axis] = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, ...layout[axis] };
    return themedLayout;
  }

  // Plotly's own "Share chart" would upload it: nothing leaves this machine.
  const unwanted = ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d"];
  const plotOptions = { responsive: true, displaylogo: false, plotlyServerURL: "", modeBarButtonsToRemove: unwanted };

  const colorTable = (scale) => {
    const stops = scale.map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
    return Uint32Array.from({ length: 256 }, (_, value) => {
      const at = (value / 255) * (stops.length - 1);
      const [low, high] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
      const [r, g, b] = low.map((c, i) => Math.round(c + (high[i] - c) * (at % 1)));
      return (255 << 24) | (b << 16) | (g << 8) | r;
    });
  };

  // A packed pixel as CSS; and black or white, whichever is easier to read on it (WCAG 2.1, relative luminance).
  const cssOf = (pixel) => `rgb(${pixel & 255} ${(pixel >> 8) & 255} ${(pixel >> 16) & 255})`;

  function readableOn(pixel) {
    const [r, g, b] = [0, 8, 16].map((shift) => ((pixel >> shift) & 255) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
  }

  return { make, isVisible, visibleSpaces, button, headCell, facts, bytesOf, download, ask, follow, keepText, offerText, cssColor, themed, plotOptions, colorTable, cssOf, readableOn };
})();
