// What setup says: a sentence, or how far something is. On a terminal the line is drawn again in
// its place, elsewhere there is a new one every few seconds.

import { spawn } from 'node:child_process'

const EVERY_MS = 5000
const REDRAWN_EVERY_MS = 200
const OUTPUT_BYTES_MAX = 64 * 1024
const clear = '\r\x1b[K'

/** A line on standard error. */
export const say = text => process.stderr.write(`setup: ${text}\n`)

/** How far something is that takes a while: `at` as often as one likes, `done` once. */
export class Progress {
  #what
  #startedMs = Date.now()
  #saidMs = 0
  #isLive = process.stderr.isTTY === true && process.env.TERM !== 'dumb'

  constructor(what) {
    this.#what = what
    this.at('begins')
  }

  at(text) {
    const now = Date.now()
    if (now - this.#saidMs < (this.#isLive ? REDRAWN_EVERY_MS : EVERY_MS)) return
    this.#saidMs = now
    const line = `${this.#what}: ${text}`
    if (!this.#isLive) return say(line)
    const columns = process.stderr.columns ?? 80
    process.stderr.write(`${clear}setup: ${line}`.slice(0, clear.length + columns - 1))
  }

  done(text) {
    if (this.#isLive) process.stderr.write(clear)
    say(`${this.#what}: ${text}, ${Math.ceil((Date.now() - this.#startedMs) / 1000)} s`)
  }
}

/**
 * Runs a program within a bound. `onLine` is given each line of its standard output, `onStatus`
 * each of its file descriptor 3. Resolves to its status (null: it did not start, or was killed)
 * and to the end of what it complained of.
 */
export function run(command, args, { onLine, onStatus, limitMs, ...options } = {}) {
  return new Promise(resolve => {
    const stdio = ['ignore', 'pipe', 'pipe', onStatus === undefined ? 'ignore' : 'pipe']
    const child = spawn(command, args, {
      ...options,
      stdio,
      timeout: limitMs,
      killSignal: 'SIGKILL'
    })
    let said = ''
    const keep = text => (said = (said + text).slice(-OUTPUT_BYTES_MAX))
    child.stderr?.setEncoding('utf8').on('data', keep)
    child.stdout?.setEncoding('utf8')
    if (onLine === undefined) child.stdout?.on('data', keep)
    else byLine(child.stdout, onLine)
    if (onStatus !== undefined) byLine(child.stdio[3]?.setEncoding('utf8'), onStatus)
    child.on('error', error => resolve({ status: null, said: error.message }))
    child.on('close', status => resolve({ status, said: said.trimEnd() }))
  })
}

function byLine(stream, onLine) {
  let rest = ''
  stream?.on('data', text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) onLine(line)
  })
}
