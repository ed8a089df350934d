// A peer that says what a test tells it to, by the codec in TypeScript: so it also checks what
// native code sends.

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { ExchangeSettings } from '../../src/state/exchange/exchange.ts'
import {
  bodyOf,
  type Header,
  headerOf,
  isGenuine,
  MessageType,
  malformation,
  seal,
  sealKey
} from '../../src/state/exchange/message.ts'
import { addressOf, Host, KEY, opened, PORT, textOf, until } from './native-hosts.ts'

export const FRAME_BYTES = 50
export const PROBE_ASKED = 0x50
export const PROBE_ANSWERED = 0x51
export const Type = MessageType

export interface HeardMessage extends Header {
  readonly body: Uint8Array
  readonly isGood: boolean
}

export class ScriptedPeer {
  readonly heard: HeardMessage[] = []
  readonly word: number
  readonly other: number
  /** Sends probes back, as the kernel's program does. */
  reflects = false
  own = 0x1234_5678_9abc_def0n
  theirs = 0n
  #sequence = 0
  readonly #socket: Socket = createSocket({ type: 'udp4', reuseAddr: true })

  constructor(word: number, other: number) {
    this.word = word
    this.other = other
    this.#socket.on('message', bytes => this.#hear(new Uint8Array(bytes)))
  }

  async open(): Promise<void> {
    this.#socket.bind(PORT, textOf(addressOf(this.word)))
    await once(this.#socket, 'listening')
    opened(this)
  }

  close(): void {
    this.#socket.close()
  }

  of(type: number): HeardMessage[] {
    return this.heard.filter(each => each.type === type)
  }

  /** A framed message with the next sequence and a good tag. */
  message(
    type: number,
    body: Uint8Array = new Uint8Array(),
    { own = this.own, theirs = this.theirs } = {}
  ): Uint8Array {
    const sequence = ++this.#sequence
    const header = { type, sender: this.word, receiver: this.other, own, theirs, sequence }
    return frame(seal(sealKey(KEY), header, body))
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, PORT, textOf(addressOf(this.other)))
  }

  say(type: number, body?: Uint8Array): void {
    this.send(this.message(type, body))
  }

  /** Begins a session.  One hello in 20 ms is answered, so it may take several. */
  async greet(): Promise<void> {
    const answer = () => this.of(Type.hello).find(({ theirs }) => theirs === this.own)
    await until('a hello', () => {
      this.send(this.message(Type.hello, undefined, { theirs: 0n }))
      return answer() !== undefined
    })
    this.theirs = answer()!.own
    this.say(Type.heartbeat)
  }

  #hear(bytes: Uint8Array): void {
    if (bytes[7] === PROBE_ASKED && this.reflects) {
      const back = bytes.slice()
      back[7] = PROBE_ANSWERED
      this.send(back)
    }
    const message = bytes.slice(FRAME_BYTES)
    const { byteOffset, byteLength } = bodyOf(message)
    this.heard.push({
      ...headerOf(message),
      body: message.subarray(byteOffset, byteOffset + byteLength),
      isGood: malformation(message) === undefined && isGenuine(sealKey(KEY), message)
    })
  }
}

/** A host, and a peer that it has a session with. */
export async function met(settings: Partial<ExchangeSettings> = {}): Promise<[Host, ScriptedPeer]> {
  const host = new Host(1, { settings: { deadMs: 60_000, ...settings } })
  const peer = new ScriptedPeer(2, 1)
  await peer.open()
  host.meet(2)
  await peer.greet()
  await until('a session', () => host.joined.length > 0)
  return [host, peer]
}

/** The headers around a message, as the exchange looks at them. */
export function frame(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FRAME_BYTES + message.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 8)
  view.setUint32(4, 0xffffff00)
  view.setUint16(20, 0x0800)
  view.setUint8(22, 0x45)
  view.setUint16(24, 28 + message.length)
  view.setUint8(31, 17)
  view.setUint16(46, 8 + message.length)
  bytes.set(message, FRAME_BYTES)
  return bytes
}

/** A framed message with one of the message's bytes changed, and a tag that does not know of it. */
export function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = bytes.slice()
  copy[FRAME_BYTES + at]! ^= value
  return copy
}

/** The first `length` bytes of the message, in a frame that says so. */
export const cut = (bytes: Uint8Array, length: number): Uint8Array =>
  frame(bytes.slice(FRAME_BYTES, FRAME_BYTES + length))
