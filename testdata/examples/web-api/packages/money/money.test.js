"use strict";

require("node:assert").strictEqual(require(".").add("0.1", "0.2"), "0.3");
