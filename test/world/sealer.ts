// Tags of the messages between the world's hosts.  Nobody forges any there, but hosts say hello
// forty times a second for hours of virtual time: HMAC was a third of what tests of state took.
// Who made a message with which key, and whether a byte of it changed, still shows.

import { type Sealer, TAG_BYTES } from '../../src/state/exchange/message.ts'

/** MurmurHash3 over the words of the key, then of the message. */
export function sealer(key: Uint8Array): Sealer {
  const tag = new Uint8Array(TAG_BYTES)
  const view = new DataView(tag.buffer)
  const seed = hash(0, key, key.length)
  return {
    tagOf(bytes, end) {
      view.setInt32(0, hash(seed, bytes, end))
      view.setInt32(4, seed ^ end)
      return tag
    }
  }
}

function hash(seed: number, bytes: Uint8Array, end: number): number {
  let h = seed
  let at = 0
  for (; at + 4 <= end; at += 4)
    h = mixed(
      h,
      bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    )
  for (; at < end; at++) h = mixed(h, bytes[at]!)
  return h ^ (h >>> 16)
}

function mixed(h: number, word: number): number {
  const k = Math.imul(word, 0xcc9e2d51)
  const mixed = h ^ Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}
