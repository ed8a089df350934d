// Messages between hosts, sealed and looked at: header, body, tag (docs/flow-state.md).  What is
// wrong with one is a word, never an exception.

import { hash } from 'node:crypto'
import { MESSAGE_BYTES_MAX } from './exchange.ts'

/** What a message is: its first byte, in the order of MZ_MESSAGE_TYPES of abi.h. */
export const MessageType = {
  hello: 1,
  heartbeat: 2,
  heartbeatAnswer: 3,
  state: 4,
  acknowledgement: 5,
  pull: 6,
  ask: 7,
  tell: 8,
  refresh: 9,
  probe: 10
} as const

/** Why a message is not taken, in the order it is looked for. */
export const refusals = [
  'short',
  'version',
  'kinds',
  'stranger',
  'forged',
  'stale-epoch',
  'replayed'
] as const
export type Refusal = (typeof refusals)[number]

/** Length of the secret that all hosts share. */
export const KEY_BYTES = 32

const BLOCK_BYTES = 64
const HASH_BYTES = 32

/** What makes the tag of a message, of a key that all hosts share. */
export interface Sealer {
  /** Of the message's first `end` bytes: TAG_BYTES, which are read before the next call. */
  tagOf(bytes: Uint8Array, end: number): Uint8Array
}

/**
 * A key, as the two blocks that HMAC-SHA-256 hashes before a message and before its hash. Two
 * hashes in a call each take a fifth of the time of `createHmac`.
 */
export class SealKey implements Sealer {
  readonly #inner = new Uint8Array(BLOCK_BYTES + MESSAGE_BYTES_MAX).fill(0x36, 0, BLOCK_BYTES)
  readonly #outer = new Uint8Array(BLOCK_BYTES + HASH_BYTES).fill(0x5c, 0, BLOCK_BYTES)

  constructor(key: Uint8Array) {
    if (key.length > BLOCK_BYTES) throw new RangeError(`a key has ${BLOCK_BYTES} bytes at most`)
    for (const [i, byte] of key.entries()) {
      this.#inner[i]! ^= byte
      this.#outer[i]! ^= byte
    }
  }

  tagOf(bytes: Uint8Array, end: number): Uint8Array {
    this.#inner.set(bytes.subarray(0, end), BLOCK_BYTES)
    const block = this.#inner.subarray(0, BLOCK_BYTES + end)
    this.#outer.set(hash('sha256', block, 'buffer'), BLOCK_BYTES)
    return hash('sha256', this.#outer, 'buffer').subarray(0, TAG_BYTES)
  }
}

/** Prepares the secret for use. */
export const sealKey = (bytes: Uint8Array): SealKey => new SealKey(bytes)

/** What stands before the body. */
export const HEADER_BYTES = 40
/** What stands behind the body: the message's authentication. */
export const TAG_BYTES = 16
/** The largest body that a message holds. */
export const BODY_BYTES_MAX = MESSAGE_BYTES_MAX - HEADER_BYTES - TAG_BYTES

const MAGIC = 0x4d5a
const VERSION = 1
const WORD = 2 ** 32

/** What a message says of itself: docs/flow-state.md. */
export interface Header {
  /** A value of MessageType. */
  readonly type: number
  /** The sender's stamp of the kinds of records (kindsStamp); 0 or undefined: not told. */
  readonly kinds?: number
  /** hostHash of the sender's id. */
  readonly sender: number
  /** hostHash of the receiver's id. */
  readonly receiver: number
  /** The sender's epoch. */
  readonly own: bigint
  /** The receiver's, 0n when the sender knows none. */
  readonly theirs: bigint
  /** Counts the messages of a session, from 1. */
  readonly sequence: number
}

// Headers are written and read here: a view of each message's own would move its bytes out of
// the heap, for heartbeats the most of what they cost.
const scratch = new Uint8Array(HEADER_BYTES)
const scratchView = new DataView(scratch.buffer)

/** A message with its tag.  The body has BODY_BYTES_MAX at most. */
export function seal(key: Sealer, header: Header, body: Uint8Array): Uint8Array {
  scratchView.setUint16(0, MAGIC)
  scratchView.setUint8(2, VERSION)
  scratchView.setUint8(3, header.type)
  scratchView.setUint16(4, header.kinds ?? 0)
  scratchView.setUint16(6, body.length)
  scratchView.setInt32(8, header.sender)
  scratchView.setInt32(12, header.receiver)
  scratchView.setBigUint64(16, header.own)
  scratchView.setBigUint64(24, header.theirs)
  putSequence(scratch, 32, header.sequence)
  const end = HEADER_BYTES + body.length
  const bytes = new Uint8Array(end + TAG_BYTES)
  bytes.set(scratch)
  if (body.length > 0) bytes.set(body, HEADER_BYTES)
  bytes.set(key.tagOf(bytes, end), end)
  return bytes
}

/** Writes a sequence as 64 bits. */
export function putSequence(bytes: Uint8Array, at: number, sequence: number): void {
  putUint32(bytes, at, sequence / WORD)
  putUint32(bytes, at + 4, sequence % WORD)
}

/** What `putSequence` wrote: exact up to 2^53. */
export const sequenceAt = (view: DataView, at: number): number =>
  view.getUint32(at) * WORD + view.getUint32(at + 4)

/** What is wrong with the form of a message, or undefined. `kinds` is our stamp, 0 for none. */
export function malformation(
  bytes: Uint8Array,
  kinds = 0
): 'short' | 'version' | 'kinds' | undefined {
  if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes.length > MESSAGE_BYTES_MAX) return 'short'
  if (uint16(bytes, 0) !== MAGIC || bytes[2] !== VERSION) return 'version'
  if (HEADER_BYTES + uint16(bytes, 6) + TAG_BYTES !== bytes.length) return 'short'
  const type = bytes[3]!
  if (type < MessageType.hello || type > MessageType.probe) return 'version'
  const theirs = uint16(bytes, 4)
  return theirs !== 0 && kinds !== 0 && theirs !== kinds ? 'kinds' : undefined
}

/** The header of a message whose form was found right. */
export function headerOf(bytes: Uint8Array): Header {
  for (let i = 0; i < HEADER_BYTES; i++) scratch[i] = bytes[i]!
  return {
    type: scratch[3]!,
    sender: scratchView.getInt32(8),
    receiver: scratchView.getInt32(12),
    own: scratchView.getBigUint64(16),
    theirs: scratchView.getBigUint64(24),
    sequence: sequenceAt(scratchView, 32)
  }
}

/** The sender a message names, before anything of it has been checked. */
export const senderOf = (bytes: Uint8Array): number => int32(bytes, 8)
/** The receiver it names, likewise. */
export const receiverOf = (bytes: Uint8Array): number => int32(bytes, 12)

/** Length of the body of a message that was opened. */
export const bodyBytes = (bytes: Uint8Array): number => bytes.length - HEADER_BYTES - TAG_BYTES

/** The body's bytes, not copied. */
export const bodyOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES, bodyBytes(bytes))

/**
 * Whether the tag of a message whose form is right was made with this key; in a time that does not
 * tell how much of it was right.
 */
export function isGenuine(key: Sealer, bytes: Uint8Array): boolean {
  const end = bytes.length - TAG_BYTES
  const tag = key.tagOf(bytes, end)
  let differences = 0
  for (let i = 0; i < TAG_BYTES; i++) differences |= tag[i]! ^ bytes[end + i]!
  return differences === 0
}

const uint16 = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!

const int32 = (bytes: Uint8Array, at: number): number =>
  (uint16(bytes, at) << 16) | uint16(bytes, at + 2)

function putUint32(bytes: Uint8Array, at: number, word: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = word >>> (24 - 8 * i)
}
