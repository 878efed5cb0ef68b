// Chat tab: the conversation as a tree of turns, kept in the browser. Where one edits a turn, asks for another answer or
// goes on from an earlier place, it branches; the path to `leaf` is what is shown.
"use strict";

(() => {
  const KEY = "pg-conversation";

  // A turn is {id, parent, role: "user", text}, or {id, parent, role: "assistant", answers, pick, vote}. An answer is
  // {model, seed, lead, tokens: [[id, probability, bytes in hexadecimal]], given, name, state, note, error}: `given` of
  // its tokens it was begun with, `name` is what the playground calls it.
  function turns() {
    let tree = load();

    const path = (leaf = tree.leaf) => {
      const found = [];
      for (let node = tree.nodes[leaf]; node; node = tree.nodes[node.parent]) found.unshift(node);
      return found;
    };
    const parent = (node) => tree.nodes[node.parent] ?? null;
    const children = (parent) => Object.values(tree.nodes).filter((node) => node.parent === parent);
    const siblings = (node) => children(node.parent);

    function add(node) {
      const id = tree.next++;
      tree.nodes[id] = { ...node, id };
      tree.leaf = id;
      return tree.nodes[id]; // the one that is kept, to write into
    }

    // Show the branch that `node` is on, to its latest end.
    function show(node) {
      let last = node;
      for (let below = children(last.id); below.length; below = children(last.id)) last = below.at(-1);
      tree.leaf = last.id;
    }

    const goTo = (node) => {
      tree.leaf = node ? node.id : null;
    };

    const clear = () => {
      tree = { nodes: {}, leaf: null, next: 1 };
    };

    // What a model is told was said, up to a turn. Answers that say nothing are left out.
    const messages = (leaf = tree.leaf) =>
      path(leaf)
        .map((node) => ({ role: node.role, content: node.role === "user" ? node.text : textOf(node.answers[node.pick]) }))
        .filter(({ content }) => content.trim());

    const writing = () =>
      Object.values(tree.nodes).flatMap((node) => (node.answers ?? []).filter(({ state }) => state === "writing"));

    // This window's own conversation survives a reload; a new window begins with the latest one.
    function save() {
      const text = JSON.stringify(tree);
      try {
        sessionStorage.setItem(KEY, text);
        localStorage.setItem(KEY, text);
        return true;
      } catch {
        return false; // the browser has no room for so long a conversation
      }
    }

    return { path, parent, siblings, children, add, show, goTo, clear, messages, writing, save, leaf: () => tree.nodes[tree.leaf] ?? null };
  }

  function load() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY) ?? "null");
      if (kept?.nodes && kept.next) return withoutOrphans(kept);
    } catch {
      // what is there was not written here
    }
    return { nodes: {}, leaf: null, next: 1 };
  }

  // What was asked for when the page was reloaded, and has no name yet, will never be heard of again.
  function withoutOrphans(tree) {
    for (const answer of Object.values(tree.nodes).flatMap((node) => node.answers ?? []))
      if (answer.state === "writing" && !answer.name) Object.assign(answer, { state: "failed", error: "The page was reloaded before this was begun: ask for another answer." });
    return tree;
  }

  const bytes = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

  // All characters that are complete; an answer's beginning that it was given belongs to it.
  function textOf({ lead, tokens }) {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return lead + tokens.map(([, , hex]) => decoder.decode(bytes(hex), { stream: true })).join("");
  }

  // --- as files -----------------------------------------------------------------------------------------------------

  const speaker = (node) => (node.role === "user" ? "You" : node.answers[node.pick].model);
  const spoken = (node) => (node.role === "user" ? node.text : textOf(node.answers[node.pick]));
  const escaped = (text) => text.replace(/[\\`*_{}[\]<>()#+\-.!|~&]/g, "\\$&");

  function markdown(path) {
    const parts = path.map((node) => {
      const said = escaped(spoken(node).trim()).split("\n").map((line) => `> ${line}  `).join("\n");
      return `**${escaped(speaker(node))}**\n\n${said}\n`;
    });
    return `# Conversation\n\n${parts.join("\n")}`;
  }

  // One line that `python -m core sft --data` and the Train tab can learn from, if it ends with an answer.
  function json(path, settings) {
    const messages = path.map((node) => ({ role: node.role, content: spoken(node).trim(), ...(node.role === "user" ? {} : { model: speaker(node) }) }));
    return JSON.stringify({ messages, settings }) + "\n";
  }

  playground.turns = { turns, textOf, markdown, json };
})();
