// A peer that says what a test tells it to: it knows the key and the form of messages
// (docs/flow-state.md) and uses Node's own HMAC, so that it also checks what native code sends.

import { createHmac } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { addressOf, KEY, opened, PORT, textOf } from './native-hosts.ts'

const FRAME_BYTES = 50
const HEADER_BYTES = 40
const TAG_BYTES = 16
export const Type = {
  hello: 1,
  heartbeat: 2,
  state: 4,
  acknowledgement: 5,
  tell: 8,
  probe: 10
} as const

export interface Heard {
  readonly mark: number
  readonly type: number
  readonly sender: number
  readonly own: bigint
  readonly theirs: bigint
  readonly sequence: bigint
  readonly body: Uint8Array
  readonly isGenuine: boolean
}

export class ScriptedPeer {
  readonly heard: Heard[] = []
  readonly word: number
  readonly other: number
  /** Sends probes back, as the kernel's program does. */
  reflects = false
  own = 0x1234_5678_9abc_def0n
  theirs = 0n
  #sequence = 0n
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

  of(type: number): Heard[] {
    return this.heard.filter(each => each.type === type)
  }

  /** A framed message with the next sequence and a good tag. */
  message(
    type: number,
    body: Uint8Array = new Uint8Array(),
    epochs: readonly bigint[] = []
  ): Uint8Array {
    const message = new Uint8Array(HEADER_BYTES + body.length + TAG_BYTES)
    const view = new DataView(message.buffer)
    view.setUint16(0, 0x4d5a)
    view.setUint8(2, 1)
    view.setUint8(3, type)
    view.setUint16(6, body.length)
    view.setInt32(8, this.word)
    view.setInt32(12, this.other)
    view.setBigUint64(16, epochs[0] ?? this.own)
    view.setBigUint64(24, epochs[1] ?? this.theirs)
    view.setBigUint64(32, ++this.#sequence)
    message.set(body, HEADER_BYTES)
    return frame(resealed(message))
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, PORT, textOf(addressOf(this.other)))
  }

  say(type: number, body?: Uint8Array): void {
    this.send(this.message(type, body))
  }

  #hear(bytes: Uint8Array): void {
    const mark = bytes[7]!
    const message = bytes.subarray(FRAME_BYTES)
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
    const end = message.length - TAG_BYTES
    if (mark === 0x50 && this.reflects) {
      const back = bytes.slice()
      back[7] = 0x51
      this.send(back)
    }
    const isGenuine = tag(message.subarray(0, end)).every((byte, i) => byte === message[end + i])
    this.heard.push({
      mark,
      type: view.getUint8(3),
      sender: view.getInt32(8),
      own: view.getBigUint64(16),
      theirs: view.getBigUint64(24),
      sequence: view.getBigUint64(32),
      body: message.slice(HEADER_BYTES, end),
      isGenuine
    })
  }
}

const tag = (bytes: Uint8Array): Uint8Array =>
  createHmac('sha256', KEY).update(bytes).digest().subarray(0, TAG_BYTES)

function resealed(message: Uint8Array): Uint8Array {
  const end = message.length - TAG_BYTES
  message.set(tag(message.subarray(0, end)), end)
  return message
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

/** A framed message with one of the message's bytes changed, and a tag that fits or does not. */
export function changed(bytes: Uint8Array, at: number, value: number, fits: boolean): Uint8Array {
  const copy = bytes.slice()
  copy[FRAME_BYTES + at] = value
  if (fits) resealed(copy.subarray(FRAME_BYTES))
  return copy
}

/** The first `length` bytes of the message, in a frame that says so. */
export const cut = (bytes: Uint8Array, length: number): Uint8Array =>
  frame(bytes.slice(FRAME_BYTES, FRAME_BYTES + length))
