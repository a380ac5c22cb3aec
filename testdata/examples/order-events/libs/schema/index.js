const { z } = require("zod");

exports.order = z.object({ id: z.string(), total: z.number() });
