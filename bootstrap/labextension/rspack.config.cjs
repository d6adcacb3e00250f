// Ids that do not depend on where this checkout is: equal sources are built into equal files, on any machine.
module.exports = { optimization: { moduleIds: 'natural', chunkIds: 'natural' } };
