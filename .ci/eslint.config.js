// ESLint's recommended rules, and the house's two of size; Prettier holds the lines to 120 columns.
import js from "@eslint/js";
import globals from "globals";

const size = { max: 80, skipBlankLines: true, skipComments: true };

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2025, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-len": ["error", { code: 120, ignoreUrls: true }],
      "max-lines-per-function": ["error", size],
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML", "write"].map((property) => ({
          property,
          message: "Text of a model or a person may only be put in as text.",
        })),
      ],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
    },
  },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node }, rules: { "max-lines-per-function": "off" } },
];
