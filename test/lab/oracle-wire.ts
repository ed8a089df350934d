// The far ends of the oracle's cables, held by a small program (lab/wire.c) with AF_PACKET
// sockets: none of our own code stands between the kernel's datapath and what is seen of it.  All
// of it is synchronous, as the plans are: ask, and read the answer.

import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sh } from './datapath-lab.ts'

const HEAD = 4
const END = 0xffff

export interface Caught {
  readonly cable: string
  readonly frame: Uint8Array
}

export class Wire {
  readonly #cables: readonly string[]
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #requests: number
  readonly #answers: number
  readonly #head = new DataView(new ArrayBuffer(HEAD))

  constructor(program: string, namespace: string, cables: readonly string[]) {
    this.#cables = cables
    this.#folder = mkdtempSync(join(tmpdir(), 'mezzo-wire-'))
    const pipes = ['requests', 'answers'].map(name => join(this.#folder, name)) as [string, string]
    sh(`mkfifo ${pipes.join(' ')}`)
    const place = `/var/run/netns/${namespace}`
    this.#child = spawn(program, [place, ...pipes, ...cables], {
      stdio: ['ignore', 'ignore', 'inherit']
    })
    this.#requests = openSync(pipes[0], 'w')
    this.#answers = openSync(pipes[1], 'r')
  }

  // Sends the frame into a cable, and says what has come out of all of them.
  send(cable: string, frame: Uint8Array): Caught[] {
    return this.#ask(this.#cables.indexOf(cable), frame)
  }

  caught(): Caught[] {
    return this.#ask(0, new Uint8Array(0))
  }

  close(): void {
    closeSync(this.#requests)
    closeSync(this.#answers)
    this.#child.kill('SIGKILL')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #ask(cable: number, frame: Uint8Array): Caught[] {
    const request = new Uint8Array(HEAD + frame.length)
    const head = new DataView(request.buffer)
    head.setUint16(0, cable, true)
    head.setUint16(2, frame.length, true)
    request.set(frame, HEAD)
    writeSync(this.#requests, request)
    const all: Caught[] = []
    for (let one = this.#next(); one !== undefined; one = this.#next()) all.push(one)
    return all
  }

  #next(): Caught | undefined {
    this.#read(new Uint8Array(this.#head.buffer))
    const cable = this.#head.getUint16(0, true)
    if (cable === END) return undefined
    const frame = new Uint8Array(this.#head.getUint16(2, true))
    this.#read(frame)
    return { cable: this.#cables[cable]!, frame }
  }

  #read(into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const n = readSync(this.#answers, into, done, into.length - done, null)
      if (n === 0) throw new Error('the program with the cables has ended')
      done += n
    }
  }
}
