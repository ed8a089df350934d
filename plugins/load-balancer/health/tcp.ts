// As much of TCP (RFC 9293) as it takes to ask a server one thing: it opens, sends little, takes
// what comes in order, and is over soon.  No congestion control, no window scaling, no options but
// the segment size; whoever uses it sets a time by which all must be done.
//
//   SYN ─► SYN,ACK ─► ACK, request ─► response ─► FIN (when the server has said it) or RST
// health.test.ts holds it.

import { type Clock, type Random, type Timer, tcp } from '../../../src/plugin.ts'
import { type Answer, type Segment, tcpFrame } from './packets.ts'
import type { Line } from './probe-transport.ts'

const { Flag } = tcp
const WINDOW = 32_768
const SEGMENT_MAX = 1200
const RESEND_MS = 1000 // doubles
const WAY_MS = 50 // until the neighbour is known
const QUEUED_MAX = 64 * 1024
const NOTHING = new Uint8Array(0)

/** What a TCP client tells. */
export interface TcpListener {
  /** The connection stands. */
  opened(): void
  /** Bytes came in, in order. */
  data(bytes: Uint8Array): void
  /** The server has nothing more to say. */
  ended(): void
  /** It is over, for this reason. */
  failed(reason: string): void
}

/** One TCP connection of a check, without a socket. */
export class TcpClient {
  readonly #clock: Clock
  readonly #listener: TcpListener
  readonly #line: Line
  #state: 'opening' | 'open' | 'closed' = 'opening'
  #sent: number // what we have sent before this sequence is acknowledged
  #next: number // of what comes from the server
  #window = 0
  #queue: Uint8Array = NOTHING // from #sent on
  #serverEnded = false
  #timer: Timer | null = null
  #waitMs = RESEND_MS

  constructor(line: Line, clock: Clock, random: Random, listener: TcpListener) {
    this.#line = line
    this.#clock = clock
    this.#listener = listener
    this.#sent = random.uint32()
    this.#next = 0
    this.#resend()
  }

  /** Sends bytes, once the connection stands. */
  write(bytes: Uint8Array): void {
    if (this.#state !== 'open') return
    if (this.#queue.length + bytes.length > QUEUED_MAX) return this.#fail('too-much')
    const before = this.#queue.length
    const queue = new Uint8Array(before + bytes.length)
    queue.set(this.#queue)
    queue.set(bytes, before)
    this.#queue = queue
    if (before === 0) this.#resend()
  }

  /** Takes leave: politely when the server has done so, else for good. */
  close(): void {
    if (this.#state === 'closed') return
    const wasOpen = this.#state === 'open'
    this.#state = 'closed'
    this.#timer?.cancel()
    if (wasOpen) this.#put((this.#serverEnded ? Flag.fin : Flag.rst) | Flag.ack)
  }

  /** A packet for this connection came. */
  heard({ segment, isError }: Answer): void {
    if (this.#state === 'closed') return
    if (isError || segment === null) return this.#fail('unreachable')
    if (this.#state === 'opening') this.#opens(segment)
    else this.#goesOn(segment)
  }

  #opens({ flags, sequence, acknowledgement, window }: Segment): void {
    if ((flags & Flag.ack) === 0 || acknowledgement !== add(this.#sent, 1)) return
    if ((flags & Flag.rst) !== 0) return this.#fail('refused')
    if ((flags & Flag.syn) === 0) return
    this.#state = 'open'
    this.#sent = acknowledgement
    this.#next = add(sequence, 1)
    this.#window = window
    this.#rest()
    this.#put(Flag.ack)
    this.#listener.opened()
  }

  #goesOn({ flags, sequence, acknowledgement, window, data }: Segment): void {
    if ((flags & Flag.rst) !== 0) {
      if (sequence === this.#next) this.#fail('reset')
      return
    }
    if ((flags & Flag.ack) !== 0) this.#acknowledged(acknowledgement, window)
    const isNews = sequence === this.#next
    if (isNews && !this.#serverEnded) this.#next = add(this.#next, data.length)
    const ends = isNews && (flags & Flag.fin) !== 0 && !this.#serverEnded
    if (ends) {
      this.#serverEnded = true
      this.#next = add(this.#next, 1)
    }
    if (data.length > 0 || (flags & (Flag.fin | Flag.syn)) !== 0) this.#put(Flag.ack)
    if (isNews && data.length > 0) this.#listener.data(data)
    if (ends && this.#state === 'open') this.#listener.ended()
  }

  #acknowledged(acknowledgement: number, window: number): void {
    const count = (acknowledgement - this.#sent) >>> 0
    if (count > this.#queue.length) return
    this.#window = window
    if (count === 0) return
    this.#sent = acknowledgement
    this.#queue = this.#queue.subarray(count)
    this.#rest()
    if (this.#queue.length > 0) this.#resend()
  }

  // Sends what has not been acknowledged, all of it that the server has room for.
  #resend(): void {
    if (this.#state === 'closed') return
    const went = this.#state === 'opening' ? this.#put(Flag.syn) : this.#putQueue()
    if (went === false) return this.#fail('no-way')
    const waitMs = went === null ? WAY_MS : this.#waitMs
    if (went === true) this.#waitMs *= 2
    this.#timer?.cancel()
    this.#timer = this.#clock.after(waitMs, () => this.#resend())
  }

  #rest(): void {
    this.#timer?.cancel()
    this.#timer = null
    this.#waitMs = RESEND_MS
  }

  #putQueue(): boolean | null {
    const length = Math.min(this.#queue.length, Math.max(1, this.#window))
    let went: boolean | null = true
    for (let at = 0; at < length && went === true; at += SEGMENT_MAX) {
      const data = this.#queue.subarray(at, Math.min(length, at + SEGMENT_MAX))
      went = this.#put(Flag.ack | Flag.psh, add(this.#sent, at), data)
    }
    return went
  }

  #put(flags: number, sequence = this.#sent, data: Uint8Array = NOTHING): boolean | null {
    const acknowledgement = (flags & Flag.ack) === 0 ? 0 : this.#next
    const segment = { sequence, acknowledgement, flags, window: WINDOW, data }
    return this.#line.send(ends => tcpFrame(ends, segment))
  }

  #fail(reason: string): void {
    if (this.#state === 'closed') return
    this.close()
    this.#listener.failed(reason)
  }
}

const add = (sequence: number, count: number): number => (sequence + count) >>> 0
