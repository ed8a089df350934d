#!/usr/bin/env node
// `mezzo` as it is installed or linked: on the Node that the lock file pins, whichever runs this.

require('../../core/start/launch.cjs').launch(require.resolve('./mezzo.ts'))
