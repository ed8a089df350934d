// What one packet teaches the next, as words.  A record has two keys: A, how the packets of whoever
// opened the connection look, and B, how the answers look.  Finding one by A says "forward", by B
// "return"; a translation is the other key, mirrored.  The same words stand in `struct mz_state` of
// native/include/abi.h.
//
//   key      kind << 16 | family << 8 | protocol · scope (2 words) · source (4) · destination (4) ·
//            source port << 16 | destination port (ICMP questions: wire/query.ts)
//   record   key A (12 words) · key B (12 words, all 0: none) · eight words about both

import { hashOf } from '../flow/tag.ts'

/** Kinds of records that the core makes; those of plugins have numbers behind it (kinds.ts). */
export const Kind = { connection: 1 } as const

/** Words of one key. */
export const KEY_WORDS = 12
/** Where a key has what; addresses and scope take several words. */
export const KeyWord = { type: 0, scope: 1, src: 3, dst: 7, ports: 11 } as const

/** Words of a record: two keys, then what is known of the connection. */
export const RECORD_WORDS = 32
/** Where a record has what. */
export const RecordWord = {
  a: 0,
  b: 12,
  flags: 24, // StateFlag
  generation: 25, // of openings within one second: ms << 16, more when it succeeds another
  born: 26, // when it was opened, seconds since 1970; 0 = that was not seen
  owner: 27, // hostHash of the host that made it
  ingress: 28, // number of the port where the opener's packets come in; 0 = none
  egress: 29, // number of the port where they leave
  timeoutS: 30, // idle time after which it goes; 0 = by protocol and flags (timeouts.ts)
  data: 31 // of whoever made it
} as const

/** Bits of a record's flags; they are only ever set. */
export const StateFlag = {
  replied: 1, // an answer was seen
  assured: 2, // and an answer to the answer: a TCP handshake is over
  finA: 4, // the opener said FIN
  finB: 8,
  reset: 16,
  blocked: 32 // no packet of the opener's has left: its last port refused them
} as const

/** A device's id as the two words of a key's scope. */
export function scopeOf(id: string): readonly [number, number] {
  return [hashOf('scope', id), hashOf('scope-2', id)]
}

/** A host's id as the word that stands for it in records and messages. */
export const hostHash = (host: string): number => hashOf('host', host)

/** The key of the answers to the packets of `from`: kind, family, protocol and scope stay. */
export function mirror(from: Int32Array, at: number, into: Int32Array, to: number): void {
  for (let i = 0; i < KeyWord.src; i++) into[to + i] = from[at + i]!
  for (let i = 0; i < 4; i++) {
    const src = from[at + KeyWord.src + i]!
    into[to + KeyWord.src + i] = from[at + KeyWord.dst + i]!
    into[to + KeyWord.dst + i] = src
  }
  const ports = from[at + KeyWord.ports]!
  into[to + KeyWord.ports] = (ports << 16) | (ports >>> 16)
}

/** Whether a record has a key B. */
export const hasReturn = (record: Int32Array, at = 0): boolean => record[at + RecordWord.b] !== 0

/** Mixes a key into a 32-bit number: where it is filed, and (stateTag) what depended on it. */
export function keyHash(words: Int32Array, at = 0): number {
  let h = 0x6d7a5354
  for (let i = at; i < at + KEY_WORDS; i++) {
    h ^= Math.imul(words[i]!, 0xcc9e2d51)
    h = Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64
  }
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}

/** Whether the keys at a[at] and b[bt] are equal. */
export function sameKey(a: Int32Array, at: number, b: Int32Array, bt: number): boolean {
  for (let i = 0; i < KEY_WORDS; i++) if (a[at + i] !== b[bt + i]) return false
  return true
}
