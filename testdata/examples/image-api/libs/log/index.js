"use strict";

// A logger by the name of the caller.
module.exports = (name) => require("pino")({ name });
