// Speaks to one daemon of FRR as vtysh does: by its socket, a command ended by a zero byte, its
// answer by three of them and a status. Nothing of it is seen in the arguments of a process, and a
// question takes no process at all. test/lab/bgp-engine.test.ts holds it.

import { connect, type Socket } from 'node:net'
import { type Clock, fail, type Timer } from '../../../../src/control.ts'

const OUTPUT_MAX = 256 * 1024 * 1024 // bytes of one answer
const ANSWER_MS = 30_000
const END = Buffer.from([0, 0, 0])

/** What a daemon said to a command. */
export interface Answer {
  /** Of FRR's `enum command return`: 0 is success, 1 a warning. */
  readonly status: number
  /** All it printed. */
  readonly text: string
}

interface Question {
  readonly command: string
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: Error) => void
}

/** A conversation with one daemon; commands are answered one by one. */
export class Vty {
  readonly #path: string
  readonly #clock: Clock
  readonly #patienceMs: number
  readonly #questions: Question[] = []
  readonly #chunks: Buffer[] = []
  readonly #socket: Socket
  #length = 0
  #timer: Timer | null = null

  /** `path`: of the daemon's socket; `patienceMs`: for each answer. */
  constructor(path: string, clock: Clock, patienceMs = ANSWER_MS) {
    this.#path = path
    this.#patienceMs = patienceMs
    this.#clock = clock
    this.#socket = connect(path)
    this.#socket.on('data', data => this.#take(data))
    this.#socket.on('error', error => this.#fail(error.message))
    this.#socket.on('close', () => this.#fail('it hung up'))
  }

  /** Rejects with UNAVAILABLE: the daemon is not there, ends meanwhile, or does not answer. */
  ask(command: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#questions.push({ command, resolve, reject })
      if (this.#socket.destroyed) this.#fail('it hung up')
      else if (this.#questions.length === 1) this.#send()
    })
  }

  /** Ends the conversation. */
  close(): void {
    this.#socket.destroy()
  }

  #send(): void {
    this.#socket.write(`${this.#questions[0]!.command}\0`)
    this.#timer = this.#clock.after(this.#patienceMs, () => this.#fail('it does not answer'))
  }

  #take(data: Buffer): void {
    this.#chunks.push(data)
    this.#length += data.length
    if (this.#length > OUTPUT_MAX) return this.#fail('its answer has no end')
    const tail = this.#tail()
    if (tail.length < 4 || !tail.subarray(0, 3).equals(END)) return
    const text = Buffer.concat(this.#chunks).toString('utf8', 0, this.#length - 4)
    this.#chunks.length = 0
    this.#length = 0
    this.#timer?.cancel()
    const question = this.#questions.shift()
    if (this.#questions.length > 0) this.#send()
    question?.resolve({ status: tail[3]!, text })
  }

  // The last four bytes, however they came.
  #tail(): Buffer {
    const last = this.#chunks.at(-1)!
    if (last.length >= 4) return last.subarray(-4)
    const all = Buffer.concat(this.#chunks)
    this.#chunks.splice(0, this.#chunks.length, all)
    return all.subarray(-4)
  }

  #fail(reason: string): void {
    this.#timer?.cancel()
    this.#socket.destroy()
    const error = fail('UNAVAILABLE', { what: `the daemon at ${this.#path}`, reason })
    for (const { reject } of this.#questions.splice(0)) reject(error)
  }
}

/** One question, by a conversation of its own; an answer is waited for so long. */
export async function askOnce(
  path: string,
  clock: Clock,
  command: string,
  patienceMs = ANSWER_MS
): Promise<string> {
  const vty = new Vty(path, clock, Math.min(patienceMs, ANSWER_MS))
  try {
    await vty.ask('enable')
    return (await vty.ask(command)).text
  } finally {
    vty.close()
  }
}
