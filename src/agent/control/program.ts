// A program that is kept running, and ends with the agent. processes.test.ts holds it.

import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { commandOf, environmentOf, inside, KeptProgram } from './kept-program.ts'
import type { ProcessOptions, SupervisorParts } from './processes.ts'
import { PrintedLines } from './supervision.ts'

const SETPRIV = '/usr/bin/setpriv'

/** Started when it is made. */
export class Program extends KeptProgram {
  /** `gone`: it was stopped, and has ended. */
  constructor(options: ProcessOptions, parts: SupervisorParts, gone: () => void) {
    super(options, parts, gone)
    this.begin()
  }

  protected spawn(): ChildProcess {
    const [program, ...args] = wordsOf(this.options)
    const env = environmentOf(this.options)
    const child = spawn(program!, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    const printed = new PrintedLines(this.options.name, this.parts)
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', printed.reader())
    return child
  }
}

// The kernel ends it when the agent's process is gone, however that went.
function wordsOf(options: ProcessOptions): string[] {
  const isLinux = process.platform === 'linux'
  const bound = isLinux && existsSync(SETPRIV) ? [SETPRIV, '--pdeathsig', 'KILL', '--'] : []
  return [...inside(options), ...bound, ...commandOf(options)]
}
