// mezzo: the command line, as a program.

import { Exit } from './client.ts'
import { command } from './command.ts'

// A reader that went away (`| head`) is no failure of ours.
process.stdout.on('error', () => process.exit(Exit.ok))

process.exitCode = await command(process.argv.slice(2), {
  api: process.env.MEZZO_API || undefined,
  token: process.env.MEZZO_TOKEN || undefined,
  say: text => process.stdout.write(`${text}\n`),
  complain: text => process.stderr.write(`${text}\n`)
})
