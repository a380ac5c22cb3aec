"use strict";

exports.width = require("string-width");
exports.semver = require("semver/package.json").version;
