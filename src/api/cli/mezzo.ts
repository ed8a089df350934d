// mezzo: the command line, as a program.

import { readFileSync } from 'node:fs'
import { visible } from '../../core/config/visible.ts'
import { reasonOf } from '../../core/errors.ts'
import { Exit } from './client.ts'
import { command } from './command.ts'

// A reader that went away (`| head`) is no failure of ours.
process.stdout.on('error', () => process.exit(Exit.ok))

// A token in the environment is seen by this user alone; in a file it need not be there either.
function token(): string | undefined {
  const { MEZZO_TOKEN, MEZZO_TOKEN_FILE } = process.env
  if (MEZZO_TOKEN || !MEZZO_TOKEN_FILE) return MEZZO_TOKEN || undefined
  try {
    const token = readFileSync(MEZZO_TOKEN_FILE, 'utf8').trim()
    if (/^[^\r\n]+$/.test(token)) return token
    const which = visible(MEZZO_TOKEN_FILE)
    return wrong(`MEZZO_TOKEN_FILE: ${which} is not one line: the token, nothing else`)
  } catch (error) {
    return wrong(`MEZZO_TOKEN_FILE cannot be read: ${visible(reasonOf(error))}`)
  }
}

function wrong(what: string): never {
  process.stderr.write(`mezzo: ${what}\n`)
  process.exit(Exit.usage)
}

process.exitCode = await command(process.argv.slice(2), {
  api: process.env.MEZZO_API || undefined,
  token: token(),
  say: text => process.stdout.write(`${text}\n`),
  complain: text => process.stderr.write(`${text}\n`)
})
