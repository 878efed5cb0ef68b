// From the goal of the votes to the Align tab, where a model learns from them.

import { ask } from "../../../assets/server.js";
import { annotatorName, onTrainOnVotes } from "../../../assets/votes.js";
import { useSettings } from "../../panels/stage_form/settings.js";
import { goTo, waitFor } from "../../tour/places.js";

const STAGE = "dpo"; // it needs votes alone

/** @param {import("../../../assets/server.js").View["server"]} server */
export function leadToTraining(server) {
  onTrainOnVotes(async (criterion) => {
    const found = await ask(server.training_data({ annotator: annotatorName(), criterion }));
    await goTo("align", "Learn");
    await goTo("align", STAGE);
    await waitFor(() => document.getElementById(`${STAGE}-start`)); // the form is there, with its own settings
    if (found.settings) useSettings(STAGE, found.settings);
  });
}
