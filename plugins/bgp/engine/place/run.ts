// Runs a program to its end, within a bound.

import { spawn } from 'node:child_process'
import { fail } from '../../../../src/control.ts'

const LIMIT_MS = 20_000
const OUTPUT_MAX = 4 * 1024 * 1024 // characters

/** What it printed. Rejects with UNAVAILABLE, which says what it complained of. */
export function run(command: readonly string[], input = ''): Promise<string> {
  const [program, ...args] = command
  return new Promise((resolve, reject) => {
    const child = spawn(program!, args, { timeout: LIMIT_MS, killSignal: 'SIGKILL' })
    let [said, complaint] = ['', '']
    child.stdout.setEncoding('utf8').on('data', text => {
      said = (said + text).slice(-OUTPUT_MAX)
    })
    child.stderr.setEncoding('utf8').on('data', text => {
      complaint = (complaint + text).slice(-OUTPUT_MAX)
    })
    const refuse = (reason: string): void =>
      reject(fail('UNAVAILABLE', { what: command.join(' '), reason }))
    child.on('error', error => refuse(error.message))
    child.on('close', status => {
      if (status === 0) resolve(said)
      else refuse(complaint.trim() || said.trim() || `status ${status}`)
    })
    child.stdin.on('error', () => {}) // it may end before it has read all
    child.stdin.end(input)
  })
}
