// The demo's connections without a kernel: a small TCP, one record under way at a time, between
// memory VMs. Flags, sequences and resets are real, so that whatever keeps state on the way has
// to keep it right; windows and congestion are not.
//
// A server cannot know by addresses whose connection has come, since they may be translated: the
// first sequence number says it. test/lab/demo.test.ts and test/demo-talks.test.ts hold it.

import type { Clock, Timer } from '../../core/clock.ts'
import { LabError, type MemoryVm, until } from '../../lab/index.ts'
import type { Segment } from '../../lab/memory/memory-listener.ts'
import { Flag } from '../../wire/tcp.ts'
import {
  type Connection,
  type Conversation,
  EVERY_MS,
  SERVER_PORT,
  SILENT_MS_MAX,
  silenceText,
  sourceOf,
  type Talk,
  talks
} from '../plan/talks.ts'

const RECORD = 64
const AGAIN_MS = 200
const TICK_MS = 20
const OPEN_MS = 90_000 // on a busy machine hosts are taken for dead, and connections begin anew
const CLIENT_PORT = 40_000
const ISN_STEP = 0x100_0000

interface Side {
  readonly node: MemoryVm
  /** Of this end's packets; their answers' is turned round. */
  readonly way: Pick<Segment, 'from' | 'to' | 'fromPort' | 'toPort'>
  said: number
  acknowledged: number
  heard: number
  heardMs: number
  gapMs: number
  sentMs: number
  /** Of a server: the client has answered it, not only asked. */
  isEstablished: boolean
}

interface Line {
  readonly talk: Talk
  readonly id: number // of its talk's
  readonly isn: number
  readonly client: Side
  server: Side | null
  isOpen: boolean
  isRefused: boolean // once at least
  reset: string | undefined // at which end
  dueMs: number
}

/** The plan's connections, by TCP in this process. */
export class MemoryTalks implements Conversation {
  readonly #clock: Clock
  readonly #node: (name: string) => MemoryVm
  readonly #lines: Line[] = []
  readonly #sides = new Map<string, { line: Line; side: Side }>()
  #timer: Timer | null = null
  #markMs = 0
  #closed = false

  constructor(clock: Clock, node: (name: string) => MemoryVm) {
    this.#clock = clock
    this.#node = node
  }

  /** Resolves when all stand and have been heard. */
  async open(): Promise<void> {
    for (const talk of talks)
      for (let id = 0; id < talk.count; id++) this.#lines.push(this.#newLine(talk, id))
    this.#tick()
    const stand = (): boolean =>
      this.#closed || this.#lines.every(line => (listenerOf(line)?.heard ?? 0) > 0)
    await until('all connections stand', stand, OPEN_MS).catch((error: Error) => {
      const waiting = this.#lines.filter(line => (listenerOf(line)?.heard ?? 0) === 0)
      const names = new Set(
        waiting.map(({ talk, isRefused }) => {
          return `${talk.of} from ${talk.from}${isRefused ? ', refused' : ''}`
        })
      )
      throw new LabError(`${error.message}: ${[...names].join(', ')}`)
    })
  }

  /** Nobody speaks any more. */
  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  mark(): void {
    this.#markMs = this.#clock.now()
    for (const { side } of this.#sides.values()) side.gapMs = 0
  }

  async read(talk: Talk): Promise<readonly Connection[]> {
    return this.#lines.filter(line => line.talk === talk).map(line => this.#connection(line))
  }

  /** A segment that has come to a node. */
  received(node: string, segment: Segment): void {
    const { from, fromPort, toPort, flags } = segment
    const found = this.#sides.get(keyOf(node, toPort, from, fromPort))
    if (found !== undefined) return this.#take(found.line, found.side, segment)
    const line = this.#lines[segment.sequence / ISN_STEP - 1]
    const isFirst = (flags & (Flag.syn | Flag.ack)) === Flag.syn && toPort === SERVER_PORT
    if (isFirst && line !== undefined) return this.#accept(line, node, segment)
    if ((flags & Flag.rst) !== 0) return
    const way = turned(segment)
    const { acknowledgement: sequence } = segment
    const bare = { sequence, acknowledgement: 0, bytes: 0 }
    this.#node(node).segment({ ...way, ...bare, flags: Flag.rst })
  }

  #newLine(talk: Talk, id: number): Line {
    const n = this.#lines.length
    const way = {
      from: sourceOf(talk),
      to: talk.to,
      fromPort: CLIENT_PORT + n,
      toPort: talk.port
    }
    const client = newSide(this.#node(talk.from), way, this.#clock.now())
    const line: Line = {
      talk,
      id,
      isn: (n + 1) * ISN_STEP,
      client,
      server: null,
      isOpen: false,
      isRefused: false,
      reset: undefined,
      dueMs: this.#clock.now() + (n % (EVERY_MS / TICK_MS)) * TICK_MS
    }
    this.#sides.set(keyOf(talk.from, way.fromPort, way.to, way.toPort), { line, side: client })
    this.#send(line, client, Flag.syn)
    return line
  }

  #accept(line: Line, node: string, segment: Segment): void {
    const way = turned(segment)
    const side = newSide(this.#node(node), way, this.#clock.now())
    this.#sides.set(keyOf(node, way.fromPort, way.to, way.toPort), { line, side })
    if (line.server?.isEstablished !== true) line.server = side
    this.#send(line, side, Flag.syn | Flag.ack)
  }

  // Of the members that were asked, while hosts came and went, it is the server who is answered.
  #answered(line: Line, side: Side): void {
    if (side === line.client) return
    side.isEstablished = true
    if (line.server?.isEstablished !== true) line.server = side
  }

  #take(line: Line, side: Side, { flags, sequence, acknowledgement, bytes }: Segment): void {
    const now = this.#clock.now()
    if ((flags & Flag.rst) !== 0) {
      // Who is refused asks again, as a client would: a VIP whose members are not up yet says so.
      // A member that was asked, and that nobody has answered, is none that a connection is with.
      const isHalfOpen = side !== line.client && !side.isEstablished
      if (line.isOpen && !isHalfOpen) line.reset ??= side === line.client ? 'client' : 'server'
      else line.isRefused = true
      return
    }
    if ((flags & Flag.syn) !== 0) {
      line.isOpen ||= side === line.client
      return this.#send(line, side, side === line.client ? Flag.ack : Flag.syn | Flag.ack)
    }
    this.#answered(line, side)
    side.acknowledged = Math.max(side.acknowledged, (acknowledgement - line.isn - 1) >>> 0)
    if (bytes === 0) return
    if ((sequence - line.isn - 1) >>> 0 === side.heard) {
      side.gapMs = Math.max(side.gapMs, this.#silence(side))
      side.heardMs = now
      side.heard += bytes
    }
    this.#send(line, side, Flag.ack)
  }

  #tick(): void {
    const now = this.#clock.now()
    for (const line of this.#lines) if (line.reset === undefined) this.#speak(line, now)
    this.#timer = this.#clock.after(TICK_MS, () => this.#tick())
  }

  #speak(line: Line, now: number): void {
    const { client } = line
    const isAnswered = line.isOpen && line.server?.isEstablished === true
    if (!isAnswered && now - client.sentMs > AGAIN_MS) this.#send(line, client, Flag.syn)
    const side = line.talk.speaks === 'client' ? client : line.server
    if (!line.isOpen || side === null || (side !== client && !side.isEstablished)) return
    const isWaiting = side.acknowledged < side.said
    if (isWaiting ? now - side.sentMs < AGAIN_MS : now < line.dueMs) return
    if (!isWaiting) side.said += RECORD
    line.dueMs = now + EVERY_MS - TICK_MS / 2
    this.#send(line, side, Flag.ack | Flag.psh, side.said - side.acknowledged)
  }

  #send(line: Line, side: Side, flags: number, bytes = 0): void {
    const begins = (flags & Flag.syn) !== 0
    const said = bytes > 0 ? side.acknowledged : side.said
    if (begins || bytes > 0) side.sentMs = this.#clock.now()
    side.node.segment({
      ...side.way,
      flags,
      bytes,
      sequence: (line.isn + (begins ? 0 : 1 + said)) >>> 0,
      acknowledgement: (flags & Flag.ack) === 0 ? 0 : (line.isn + 1 + side.heard) >>> 0
    })
  }

  #silence({ heardMs }: Side): number {
    return this.#clock.now() - Math.max(heardMs, this.#markMs)
  }

  #connection(line: Line): Connection {
    const listener = listenerOf(line)
    const silentMs = listener === null ? Infinity : this.#clock.now() - listener.heardMs
    const reset = line.reset === undefined ? undefined : `${line.reset} reset`
    const silence = silentMs > SILENT_MS_MAX ? silenceText(silentMs) : undefined
    return {
      id: line.id,
      fault: reset ?? silence,
      isReset: reset !== undefined,
      gapMs: listener === null ? 0 : Math.max(listener.gapMs, this.#silence(listener)),
      bytes: listener?.heard ?? 0
    }
  }
}

const listenerOf = ({ talk, client, server }: Line): Side | null =>
  talk.speaks === 'client' ? server : client

const newSide = (node: MemoryVm, way: Side['way'], now: number): Side => ({
  node,
  way,
  said: 0,
  acknowledged: 0,
  heard: 0,
  heardMs: now,
  gapMs: 0,
  sentMs: now,
  isEstablished: false
})

const turned = ({ from, to, fromPort, toPort }: Segment): Side['way'] => ({
  from: to,
  to: from,
  fromPort: toPort,
  toPort: fromPort
})

const keyOf = (node: string, port: number, peer: string, peerPort: number): string =>
  `${node} ${port} ${peer} ${peerPort}`
