// Blocks of a pcapng file (draft-ietf-opsawg-pcapng): a section, an interface for each ifindex,
// and packets with a comment. Wireshark and tshark show the comment as `frame.comment`.

const LITTLE = true
const MICROSECONDS = 1000 // in a millisecond
const LINKTYPE_ETHERNET = 1
const BlockType = { section: 0x0a0d0d0a, interface: 1, packet: 6 } as const
const Option = { comment: 1, interfaceName: 2, flags: 2 } as const
/** Which way a packet went, as the flags word of its block says it. */
export const Direction = { in: 1, out: 2 } as const
const BYTE_ORDER = 0x1a2b3c4d
const UNKNOWN_LENGTH = 0xffffffff // twice: a section of 64 bits

const text = new TextEncoder()

/** The block a file begins with. */
export function sectionBlock(): Uint8Array {
  const body = new Uint8Array(16)
  const view = new DataView(body.buffer)
  view.setUint32(0, BYTE_ORDER, LITTLE)
  view.setUint16(4, 1, LITTLE)
  view.setUint32(8, UNKNOWN_LENGTH, LITTLE)
  view.setUint32(12, UNKNOWN_LENGTH, LITTLE)
  return block(BlockType.section, [body])
}

/** Interfaces are numbered from 0 in the order of their blocks. */
export function interfaceBlock(name: string): Uint8Array {
  const body = new Uint8Array(8)
  new DataView(body.buffer).setUint16(0, LINKTYPE_ETHERNET, LITTLE)
  return block(BlockType.interface, [body, option(Option.interfaceName, text.encode(name)), END])
}

/** A packet for a capture. */
export interface CapturedPacket {
  /** Number of its interface block. */
  readonly on: number
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** All of the frame. */
  readonly bytes: Uint8Array
  /** One of `Direction`. */
  readonly direction: number
  /** What became of it; empty: nothing is said. */
  readonly comment: string
}

/** The bytes of an enhanced packet block. */
export function packetBlock({ on, atMs, bytes, direction, comment }: CapturedPacket): Uint8Array {
  const head = new Uint8Array(20)
  const view = new DataView(head.buffer)
  const at = BigInt(Math.round(atMs * MICROSECONDS))
  view.setUint32(0, on, LITTLE)
  view.setUint32(4, Number(at >> 32n), LITTLE)
  view.setUint32(8, Number(at & 0xffffffffn), LITTLE)
  view.setUint32(12, bytes.length, LITTLE)
  view.setUint32(16, bytes.length, LITTLE)
  const flags = new Uint8Array(4)
  new DataView(flags.buffer).setUint32(0, direction, LITTLE)
  const options = [option(Option.comment, text.encode(comment)), option(Option.flags, flags), END]
  return block(BlockType.packet, [head, padded(bytes), ...options])
}

const END = new Uint8Array(4) // of the options

function option(code: number, value: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + roundUp(value.length))
  const view = new DataView(whole.buffer)
  view.setUint16(0, code, LITTLE)
  view.setUint16(2, value.length, LITTLE)
  whole.set(value, 4)
  return whole
}

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 12)
  const whole = new Uint8Array(length)
  const view = new DataView(whole.buffer)
  view.setUint32(0, type, LITTLE)
  view.setUint32(4, length, LITTLE)
  let at = 8
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  view.setUint32(at, length, LITTLE)
  return whole
}

const roundUp = (length: number): number => (length + 3) & ~3

function padded(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(roundUp(bytes.length))
  whole.set(bytes)
  return whole
}
