const Decimal = require("decimal.js");
const debug = require("debug")("prices");

exports.total = (lines) => {
  debug("%d lines", lines.length);
  return lines.reduce((sum, line) => sum.plus(line), new Decimal(0)).toFixed(2);
};
