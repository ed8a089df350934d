// Records as bytes: entries of messages between hosts, and what a store keeps.  Laid down byte by
// byte in docs/flow-state.md.  The caller of an encoder makes room (entryBytes); a decoder takes
// any bytes whatever, never throws, and says -1 for what is no entry.

import { KeyWord, RECORD_WORDS, RecordWord } from '../record.ts'
import { KINDS_MAX } from '../table.ts'

/** Bytes of the largest entry: a record with two IPv6 keys. */
export const ENTRY_BYTES_MAX = 124
/** Bytes of the largest key, an IPv6 one. */
export const KEY_BYTES_MAX = 48

const WITH_B = 0x80
const FAMILY_4 = 4
const FAMILY_6 = 6
const SCOPE_BYTES = 8
const PORTS_BYTES = 4
const HEAD_BYTES = 36 // of an entry, up to key A
const KEY_HEAD_BYTES = 4 // of a key on its own

// The words after the flags, in the order they are written.
const NUMBERS = [
  RecordWord.generation,
  RecordWord.born,
  RecordWord.owner,
  RecordWord.ingress,
  RecordWord.egress,
  RecordWord.timeoutS,
  RecordWord.data
] as const
const NUMBERS_AT = 4
const IDLE_AT = 32

// What a store keeps.
const SAVED_MAGIC = 0x4d53
const SAVED_VERSION = 1
const SAVED_HEADER_BYTES = 16

const familyOf = (type: number): number => (type >>> 8) & 255

// Scope, source, destination and ports.
const selectorBytes = (family: number): number =>
  SCOPE_BYTES + PORTS_BYTES + (family === FAMILY_4 ? 8 : 32)

/** How many bytes a record takes as an entry. */
export function entryBytes(record: Int32Array, at = 0): number {
  const selector = selectorBytes(familyOf(record[at + KeyWord.type]!))
  return HEAD_BYTES + (record[at + RecordWord.b] === 0 ? selector : 2 * selector)
}

/** Writes a record as an entry; gives where it ends. */
export function encodeEntry(
  view: DataView,
  at: number,
  record: Int32Array,
  recordAt: number,
  idleMs: number
): number {
  const type = record[recordAt + KeyWord.type]!
  const hasB = record[recordAt + RecordWord.b] !== 0
  writeType(view, at, type, hasB ? WITH_B : 0)
  view.setUint8(at + 3, record[recordAt + RecordWord.flags]!)
  for (let i = 0; i < NUMBERS.length; i++)
    view.setInt32(at + NUMBERS_AT + i * 4, record[recordAt + NUMBERS[i]!]!)
  view.setUint32(at + IDLE_AT, Math.min(Math.max(0, idleMs), 0xffff_ffff))
  const family = familyOf(type)
  const end = writeSelector(view, at + HEAD_BYTES, family, record, recordAt + RecordWord.a)
  return hasB ? writeSelector(view, end, family, record, recordAt + RecordWord.b) : end
}

/** Reads the entry at `at` as a record; gives where it ends, or -1 when it is none. */
export function decodeEntry(
  view: DataView,
  at: number,
  end: number,
  into: Int32Array,
  intoAt: number
): number {
  if (at + HEAD_BYTES > end) return -1
  const type = readType(view, at)
  if (type === 0) return -1
  const family = familyOf(type)
  const hasB = (view.getUint8(at) & WITH_B) !== 0
  const a = at + HEAD_BYTES
  const b = a + selectorBytes(family)
  const stop = hasB ? b + selectorBytes(family) : b
  if (stop > end) return -1
  into.fill(0, intoAt, intoAt + RECORD_WORDS)
  into[intoAt + RecordWord.flags] = view.getUint8(at + 3)
  for (let i = 0; i < NUMBERS.length; i++)
    into[intoAt + NUMBERS[i]!] = view.getInt32(at + NUMBERS_AT + i * 4)
  readSelector(view, a, type, into, intoAt + RecordWord.a)
  if (hasB) readSelector(view, b, type, into, intoAt + RecordWord.b)
  return stop
}

/** How long the record of the entry at `at` had been idle, ms. */
export const entryIdleMs = (view: DataView, at: number): number => view.getUint32(at + IDLE_AT)

/** How many entries lie between `at` and `end`; -1 when something else does, too. */
export function countEntries(view: DataView, at: number, end: number): number {
  let count = 0
  for (; at < end; count++) {
    const type = at + HEAD_BYTES > end ? 0 : readType(view, at)
    if (type === 0) return -1
    const selector = selectorBytes(familyOf(type))
    at += HEAD_BYTES + ((view.getUint8(at) & WITH_B) === 0 ? selector : 2 * selector)
  }
  return at === end ? count : -1
}

/** Writes a key on its own, as pulls have it; gives where it ends. */
export function encodeKey(view: DataView, at: number, key: Int32Array, keyAt: number): number {
  const type = key[keyAt + KeyWord.type]!
  writeType(view, at, type, 0)
  view.setUint8(at + 3, 0)
  return writeSelector(view, at + KEY_HEAD_BYTES, familyOf(type), key, keyAt)
}

/** Reads a key on its own; gives where it ends, or -1 when it is none. */
export function decodeKey(
  view: DataView,
  at: number,
  end: number,
  into: Int32Array,
  intoAt: number
): number {
  if (at + KEY_HEAD_BYTES > end || (view.getUint8(at) & WITH_B) !== 0) return -1
  const type = readType(view, at)
  if (type === 0) return -1
  const stop = at + KEY_HEAD_BYTES + selectorBytes(familyOf(type))
  if (stop > end) return -1
  readSelector(view, at + KEY_HEAD_BYTES, type, into, intoAt)
  return stop
}

/**
 * The first `count` records, at most 65535, idle for idleMs[i] each, at this moment of the wall's
 * clock. `kinds` is their stamp (kindsStamp), 0 for none.
 */
export function encodeRecords(
  records: Int32Array,
  idleMs: ArrayLike<number>,
  count: number,
  wallMs: number,
  kinds = 0
): Uint8Array<ArrayBuffer> {
  let size = SAVED_HEADER_BYTES
  for (let i = 0; i < count; i++) size += entryBytes(records, i * RECORD_WORDS)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, SAVED_MAGIC)
  view.setUint8(2, SAVED_VERSION)
  view.setUint16(4, kinds)
  view.setUint16(6, count)
  view.setBigUint64(8, BigInt(Math.trunc(Math.max(0, wallMs))))
  let at = SAVED_HEADER_BYTES
  for (let i = 0; i < count; i++) at = encodeEntry(view, at, records, i * RECORD_WORDS, idleMs[i]!)
  return bytes
}

/**
 * Gives each record and how long it has been idle by now; the record is only lent.  False, and
 * nothing given, when these are not bytes of encodeRecords.  A clock that went back in between
 * makes nothing younger than it was.  `kinds`: what was saved with another stamp is not taken, for
 * its numbers mean other kinds; 0 asks nothing.
 */
export function decodeRecords(
  bytes: Uint8Array,
  wallMs: number,
  found: (record: Int32Array, idleMs: number) => void,
  kinds = 0
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.length
  if (
    end < SAVED_HEADER_BYTES ||
    view.getUint16(0) !== SAVED_MAGIC ||
    view.getUint8(2) !== SAVED_VERSION
  )
    return false
  const saved = view.getUint16(4)
  if (saved !== 0 && kinds !== 0 && saved !== kinds) return false
  if (countEntries(view, SAVED_HEADER_BYTES, end) !== view.getUint16(6)) return false
  const agedMs = Math.max(0, wallMs - Number(view.getBigUint64(8)))
  const record = new Int32Array(RECORD_WORDS)
  for (let at = SAVED_HEADER_BYTES; at < end; ) {
    const idleMs = entryIdleMs(view, at)
    at = decodeEntry(view, at, end, record, 0)
    found(record, idleMs + agedMs)
  }
  return true
}

function writeType(view: DataView, at: number, type: number, mark: number): void {
  view.setUint8(at, (type >>> 16) | mark)
  view.setUint8(at + 1, type >>> 8)
  view.setUint8(at + 2, type)
}

// The first word of a key, or 0 when kind or family are none that we know.
function readType(view: DataView, at: number): number {
  const kind = view.getUint8(at) & ~WITH_B
  const family = view.getUint8(at + 1)
  if (kind === 0 || kind >= KINDS_MAX) return 0
  if (family !== FAMILY_4 && family !== FAMILY_6) return 0
  return (kind << 16) | (family << 8) | view.getUint8(at + 2)
}

function writeSelector(
  view: DataView,
  at: number,
  family: number,
  key: Int32Array,
  keyAt: number
): number {
  view.setInt32(at, key[keyAt + KeyWord.scope]!)
  view.setInt32(at + 4, key[keyAt + KeyWord.scope + 1]!)
  let to = at + SCOPE_BYTES
  const skipped = family === FAMILY_4 ? 3 : 0 // an IPv4 address sits in the last of four words
  for (let word = KeyWord.src as number; word < KeyWord.ports; word += 4)
    for (let i = skipped; i < 4; i++, to += 4) view.setInt32(to, key[keyAt + word + i]!)
  view.setInt32(to, key[keyAt + KeyWord.ports]!)
  return to + PORTS_BYTES
}

function readSelector(
  view: DataView,
  at: number,
  type: number,
  into: Int32Array,
  intoAt: number
): void {
  into[intoAt + KeyWord.type] = type
  into[intoAt + KeyWord.scope] = view.getInt32(at)
  into[intoAt + KeyWord.scope + 1] = view.getInt32(at + 4)
  let from = at + SCOPE_BYTES
  const skipped = familyOf(type) === FAMILY_4 ? 3 : 0
  for (let word = KeyWord.src as number; word < KeyWord.ports; word += 4)
    for (let i = 0; i < 4; i++) {
      into[intoAt + word + i] = i < skipped ? 0 : view.getInt32(from)
      if (i >= skipped) from += 4
    }
  into[intoAt + KeyWord.ports] = view.getInt32(from)
}
