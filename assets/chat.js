// Chat tab.
"use strict";

(() => {
  const { make, follow } = playground;

  function scene(element, props, watch) {
    const root = element.querySelector(".pg-scene");
    root.setAttribute("role", "log");
    root.tabIndex = 0; // the keyboard can scroll it
    const empty = root.firstElementChild;
    let bubbles = [];

    follow(props, watch, ({ messages }) => {
      const atEnd = root.scrollHeight - root.scrollTop - root.clientHeight < 40;
      if (messages.length < bubbles.length || !messages.length) {
        bubbles = [];
        root.replaceChildren(empty);
      }
      messages.forEach(([role, text], i) => {
        if (!bubbles.length) root.replaceChildren();
        if (!bubbles[i]) root.append((bubbles[i] = make("div", `pg-said pg-said-${role}`)));
        if (bubbles[i].textContent !== text) bubbles[i].textContent = text;
      });
      if (atEnd) root.scrollTop = root.scrollHeight;
    });
  }

  Object.assign(playground, { scene });
})();
