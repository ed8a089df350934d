// What zebra sends to a forwarding plane manager: frames of a version, a type and a length, and in
// each some messages of netlink, those of routes. A frame is one step: a route that changes is
// taken back and put again in it.

import { address } from '../../../../src/control.ts'
import type { RouteChange, RouteHop } from '../engine.ts'

const VERSION = 1
const TYPE_NETLINK = 1
const HEADER = 4 // of a frame
const NETLINK_HEADER = 16
const ROUTE_HEADER = 12
const NEW_ROUTE = 24
const DELETE_ROUTE = 25
const PROTOCOL_BGP = 186
const TABLE_MAIN = 254
const UNICAST = 1
const HOPS_MAX = 256

const Family = { ipv4: 2, ipv6: 10 } as const
const Attribute = { destination: 1, gateway: 5, multipath: 9, via: 18 } as const
const TYPE_MASK = 0x3fff // above are flags, of nesting and of byte order

/** Bytes that are no frames. */
export class FpmError extends Error {
  override readonly name = 'FpmError'
}

/** Cuts the stream of one connection into frames. messages.test.ts holds it. */
export class FpmReader {
  #rest: Uint8Array = new Uint8Array(0)

  /** The changes of each frame that is complete. Throws FpmError; the connection is of no use. */
  push(data: Uint8Array): RouteChange[][] {
    const bytes = this.#rest.length === 0 ? data : joined(this.#rest, data)
    const view = viewOf(bytes)
    const frames: RouteChange[][] = []
    let at = 0
    while (bytes.length - at >= HEADER) {
      const length = lengthOf(view, at)
      if (bytes.length - at < length) break
      frames.push(changesIn(bytes.subarray(at + HEADER, at + length)))
      at += length
    }
    this.#rest = bytes.slice(at)
    return frames
  }
}

function lengthOf(view: DataView, at: number): number {
  const [version, type] = [view.getUint8(at), view.getUint8(at + 1)]
  if (version !== VERSION || type !== TYPE_NETLINK)
    throw new FpmError(`a frame of version ${version} and type ${type}; expected 1 and 1`)
  const length = view.getUint16(at + 2) // the one field in network byte order
  if (length < HEADER) throw new FpmError(`a frame of ${length} bytes; expected ${HEADER} at least`)
  return length
}

/** What the messages of a frame change, by prefix: the last counts. Throws FpmError. */
export function changesIn(frame: Uint8Array): RouteChange[] {
  const view = viewOf(frame)
  const changes = new Map<string, RouteChange>()
  for (let at = 0; at < frame.length; ) {
    const left = frame.length - at
    const length = left < NETLINK_HEADER ? 0 : view.getUint32(at, true)
    if (length < NETLINK_HEADER || length > left)
      throw new FpmError(`a message of ${length} bytes where ${left} are left`)
    const type = view.getUint16(at + 4, true)
    const message = frame.subarray(at + NETLINK_HEADER, at + length)
    const change = type === NEW_ROUTE || type === DELETE_ROUTE ? changeIn(message, type) : null
    if (change !== null) changes.set(change.prefix, change)
    at += aligned(length)
  }
  return [...changes.values()]
}

// null: not a route of BGP's for packets of ours.
function changeIn(message: Uint8Array, type: number): RouteChange | null {
  if (message.length < ROUTE_HEADER) throw new FpmError('a route without its header')
  const [family, length, , , table, protocol, , kind] = message
  if (protocol !== PROTOCOL_BGP || table !== TABLE_MAIN) return null
  if (family !== Family.ipv4 && family !== Family.ipv6) return null
  const size = sizeOf(family)
  if (length! > size * 8) throw new FpmError(`a prefix of ${length} bits`)
  let destination: Uint8Array = new Uint8Array(size)
  const hops: RouteHop[] = []
  for (const { type: attribute, value } of attributesOf(message.subarray(ROUTE_HEADER))) {
    if (attribute === Attribute.destination) destination = whole(value, size)
    else if (attribute === Attribute.multipath) hops.push(...hopsOf(value, size))
    else hops.push(...hopOf(attribute, value, size, 1))
  }
  const prefix = `${textOf(destination)}/${length}`
  const isThere = type === NEW_ROUTE && kind === UNICAST
  return { prefix, hops: isThere ? hops.slice(0, HOPS_MAX) : [] }
}

interface Attribute {
  readonly type: number
  readonly value: Uint8Array
}

function attributesOf(bytes: Uint8Array): Attribute[] {
  const view = viewOf(bytes)
  const found: Attribute[] = []
  for (let at = 0; bytes.length - at >= 4; ) {
    const length = view.getUint16(at, true)
    if (length < 4 || length > bytes.length - at)
      throw new FpmError(`an attribute of ${length} bytes where ${bytes.length - at} are left`)
    const type = view.getUint16(at + 2, true) & TYPE_MASK
    found.push({ type, value: bytes.subarray(at + 4, at + length) })
    at += aligned(length)
  }
  return found
}

// struct rtnexthop: length, flags, one less than the weight, interface; then attributes.
function hopsOf(bytes: Uint8Array, size: number): RouteHop[] {
  const view = viewOf(bytes)
  const hops: RouteHop[] = []
  for (let at = 0; bytes.length - at >= 8; ) {
    const length = view.getUint16(at, true)
    if (length < 8 || length > bytes.length - at)
      throw new FpmError(`a next hop of ${length} bytes where ${bytes.length - at} are left`)
    const share = view.getUint8(at + 3) + 1
    for (const { type, value } of attributesOf(bytes.subarray(at + 8, at + length)))
      hops.push(...hopOf(type, value, size, share))
    at += aligned(length)
  }
  return hops
}

function hopOf(type: number, value: Uint8Array, size: number, share: number): RouteHop[] {
  if (type === Attribute.gateway) return [{ gateway: textOf(whole(value, size)), share }]
  if (type !== Attribute.via) return []
  const family = value.length < 2 ? 0 : viewOf(value).getUint16(0, true)
  return [{ gateway: textOf(whole(value.subarray(2), sizeOf(family))), share }]
}

const sizeOf = (family: number): number => (family === Family.ipv6 ? 16 : 4)

function whole(value: Uint8Array, size: number): Uint8Array {
  if (value.length === size) return value
  throw new FpmError(`an address of ${value.length} bytes; expected ${size}`)
}

const aligned = (length: number): number => (length + 3) & ~3

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length)
  all.set(a)
  all.set(b, a.length)
  return all
}

function textOf(bytes: Uint8Array): string {
  const view = viewOf(bytes)
  if (bytes.length === 4) return [...bytes].join('.')
  const words = Int32Array.from({ length: 4 }, (_, i) => view.getInt32(4 * i))
  return address.formatIp({ family: 6, words })
}
