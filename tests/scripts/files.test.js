import assert from "node:assert/strict";
import { test } from "node:test";

import { bytesOf, csv } from "../../assets/files.js";

test("a cell with a comma, a quote or a line break is quoted, nothing is null", () => {
  assert.equal(
    csv([
      ["a", 'say "no"', "b,c"],
      [1, null, "x\ny"],
    ]),
    'a,"say ""no""","b,c"\r\n1,,"x\ny"\r\n',
  );
});

test("base64 becomes the bytes it stands for, those above 127 too", () => {
  assert.deepEqual([...bytesOf("AH/A/w==")], [0, 127, 192, 255]);
});
