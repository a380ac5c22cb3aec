const { total } = require("@order-events/prices");

exports.handler = async (event) => ({ total: total(event.lines) });
