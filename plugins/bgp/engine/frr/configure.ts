// Gives commands of a configuration to a running daemon. test/lab/bgp-engine.test.ts holds it.

import { type Clock, fail } from '../../../../src/control.ts'
import type { Command } from './lines.ts'
import { Vty } from './vty.ts'

// Of `enum command return` in FRR's library: done, done with a remark, nothing to do.
const DONE = [0, 1, 6]

/**
 * Rejects with UNAVAILABLE: what the daemon said to the first command that it refused; the rest is
 * not given. A command that takes back what is gone already is no fault.
 */
export async function configure(
  path: string,
  clock: Clock,
  commands: readonly Command[]
): Promise<void> {
  if (commands.length === 0) return
  const vty = new Vty(path, clock)
  try {
    await vty.ask('enable')
    let open: readonly string[] | null = null
    for (const { block, text, key, isUndo } of commands) {
      if (open === null || block.length === 0 || block.join('\n') !== open.join('\n'))
        for (const word of ['end', 'configure terminal', ...block]) await vty.ask(word)
      open = block
      const { status, text: said } = await vty.ask(text)
      if (!isUndo && !DONE.includes(status)) throw refused({ key, text }, status, said)
    }
    await vty.ask('end')
  } finally {
    vty.close()
  }
}

const PASSWORD = / password (\S+)$/

// FRR quotes what it does not understand: a password must not be told on by that.
function refused({ key, text }: Pick<Command, 'key' | 'text'>, status: number, said: string) {
  const [, secret] = PASSWORD.exec(text) ?? []
  const told = secret === undefined ? said : said.replaceAll(secret, '(not shown)')
  return fail('UNAVAILABLE', {
    what: `"${key}"`,
    reason: `FRR refuses it with status ${status}: ${told.replace(/\s+/g, ' ').trim()}`
  })
}
