// What scripts that are not modules yet need of the Attention tab.
"use strict";

(() => {
  const { make } = playground;

  // --- the head that all panels talk about ------------------------------------------------------------------------

  const focus = { key: null, shape: [0, 0], layer: 0, head: 0, query: null, listeners: new Set() };

  // A labelled <select>; `options` are [value, text].
  function choice(label, options, onchange) {
    const frame = make("label", "pg-choice", label);
    const select = make("select");
    for (const [value, text] of options) select.append(new Option(text, value));
    select.onchange = () => onchange(select.value);
    select.setAttribute("aria-label", label);
    frame.append(select);
    return Object.assign(frame, { select });
  }

  Object.assign(playground, { focus, choice });
})();
