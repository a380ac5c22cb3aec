"use strict";

const Decimal = require("decimal.js");
const ms = require("ms");

exports.add = (a, b) => new Decimal(a).plus(b).toString();
exports.minutes = (text) => ms(text) / 60000;
