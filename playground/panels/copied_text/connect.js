// What the marks of all tabs ask Python.

import { connect } from "../../../assets/copied.js";

/** @param {import("../../../assets/server.js").View} view */
export function mount({ server }) {
  connect(server);
}
