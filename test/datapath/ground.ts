// What the conformance tests of a datapath stand on: a rig, the agent's part in it, and what they
// write frames and actions with.

import type { Datapath } from '../../src/datapath/datapath.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS, Word } from '../../src/flow/key.ts'
import { eth } from '../../src/wire/builder.ts'
import { Installer, mask, Taker } from './taker.ts'

export interface Arrival {
  readonly port: number // of the rig, 0..
  readonly bytes: Uint8Array
}

export interface Rig {
  readonly datapath: Datapath
  readonly ports: readonly number[] // ifindexes of at least three attached interfaces
  send(port: number, ...frames: readonly Uint8Array[]): void
  // What came out since the last call: waits until there are `count`, or no more come.
  arrivals(count: number): Promise<Arrival[]>
  until(done: () => boolean): Promise<void>
  close(): void
}

export interface RigOptions {
  readonly flowsMax: number
  readonly creditsPerPort: number
}

export type Open = (options: RigOptions) => Rig

export const A = '02:00:00:00:00:0a'
export const B = '02:00:00:00:00:0b'
export const C = 0x020000000c0c
export const udp = (n = 0, ttl = 64): Uint8Array =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { ttl, id: n }).udp(1000, 53).payload(20).frame()
export const udp6 = (): Uint8Array =>
  eth(A, B).ipv6('2001:db8::1', '2001:db8::2').udp(1000, 53).payload(20).frame()

export const ALL = -1
export const HIGH = 0xffff0000 | 0
export const IN = mask({ [Word.inPort]: ALL })
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export class Ground {
  rig!: Rig
  taker!: Taker
  flows!: Installer
  readonly #open: Open

  constructor(open: Open) {
    this.#open = open
  }

  open(): void {
    this.rig = this.#open({ flowsMax: 256, creditsPerPort: 64 })
    this.taker = new Taker(this.rig)
    this.flows = new Installer(this.rig.datapath)
  }

  // Every test begins with no flows and nothing under way.
  async fresh(): Promise<void> {
    this.flows.clear()
    await this.rig.arrivals(0)
    this.taker.clear()
  }

  out(port: number): Edit {
    return actions => actions.output(this.rig.ports[port]!)
  }

  keyOf(frame: Uint8Array, port = 0): Int32Array {
    const words = new Int32Array(WORDS)
    const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
    extract(words, 0, this.rig.ports[port]!, 0, 0, view, 0, frame.length)
    return words
  }
}

export type Edit = (actions: ActionList) => void

export function list(...edits: readonly Edit[]): ActionList {
  const actions = new ActionList()
  for (const edit of edits) edit(actions)
  return actions
}

export const texts = (arrivals: readonly Arrival[]): string[] =>
  arrivals.map(({ port, bytes }) => `${port} ${hex(bytes)}`)
