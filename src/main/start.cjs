// What `src/main.ts` is a link to, because an older Node refuses a `.ts` before it reads it. It
// follows the link first, finds plain JavaScript here, and is sent to the Node that the lock file
// pins.

require('../core/start/launch.cjs').launch(require.resolve('./program.ts'))
