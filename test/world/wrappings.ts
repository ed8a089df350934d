// Ways to wrap a frame, Ethernet II without tags, so that some receiver still reads what is in it.

const ADDRESSES = 12

/** Tags of these types and VLANs between the addresses and the type, the outermost first. */
export function tagged(frame: Uint8Array, ...tags: readonly (readonly [number, number])[]) {
  const bytes = tags.flatMap(([type, vid]) => [type >> 8, type & 255, vid >> 8, vid & 255])
  return joined(frame.subarray(0, ADDRESSES), bytes, frame.subarray(ADDRESSES))
}

/** In an 802.3 frame, behind LLC and SNAP of this organisation (RFC 1042). */
export function inSnap(frame: Uint8Array, organisation: readonly number[] = [0, 0, 0], sap = 0xaa) {
  return in8023(frame, [sap, sap, 3, ...organisation, frame[ADDRESSES]!, frame[ADDRESSES + 1]!])
}

/** In an 802.3 frame, behind LLC alone (RFC 948). */
export const inLlc = (frame: Uint8Array, sap: number) => in8023(frame, [sap, sap, 3])

function in8023(frame: Uint8Array, llc: readonly number[]) {
  const payload = frame.subarray(ADDRESSES + 2)
  const length = llc.length + payload.length
  return joined(frame.subarray(0, ADDRESSES), [length >> 8, length & 255], llc, payload)
}

const joined = (...parts: readonly ArrayLike<number>[]): Uint8Array =>
  Uint8Array.from(parts.flatMap(part => Array.from(part)))

type Wrap = (frame: Uint8Array) => Uint8Array
const Q = 0x8100
const AD = 0x88a8

/** Behind which the key still has the packet. */
export const READABLE: Readonly<Record<string, Wrap>> = {
  plain: frame => frame,
  'a priority tag': frame => tagged(frame, [Q, 0]),
  'two priority tags': frame => tagged(frame, [Q, 0], [AD, 0]),
  'a VLAN': frame => tagged(frame, [Q, 7]),
  'a service VLAN': frame => tagged(frame, [AD, 7]),
  QinQ: frame => tagged(frame, [AD, 7], [Q, 8]),
  'a VLAN in a VLAN': frame => tagged(frame, [Q, 7], [Q, 8]),
  'a service VLAN in a VLAN': frame => tagged(frame, [Q, 7], [AD, 8]),
  'a priority tag in a VLAN': frame => tagged(frame, [Q, 7], [Q, 0]),
  'a VLAN in a priority tag': frame => tagged(frame, [Q, 0], [Q, 7])
}

/** Behind which it has not. */
export const HIDING: Readonly<Record<string, Wrap>> = {
  'three tags': frame => tagged(frame, [Q, 7], [Q, 8], [Q, 9]),
  'three priority tags': frame => tagged(frame, [Q, 0], [Q, 0], [Q, 0]),
  'three tags, service ones outside': frame => tagged(frame, [AD, 7], [AD, 8], [Q, 9]),
  'three priority tags, a service one last': frame => tagged(frame, [Q, 0], [Q, 0], [AD, 0]),
  'nine tags': frame => tagged(frame, ...Array.from({ length: 9 }, () => [Q, 0] as const)),
  'an old QinQ tag': frame => tagged(frame, [0x9100, 7]),
  'a 9200 tag behind a VLAN': frame => tagged(frame, [Q, 7], [0x9200, 8]),
  'a 9300 tag behind QinQ': frame => tagged(frame, [AD, 7], [Q, 8], [0x9300, 9]),
  SNAP: frame => inSnap(frame),
  'SNAP of a bridge tunnel': frame => inSnap(frame, [0, 0, 0xf8]),
  'SNAP to a group': frame => inSnap(frame, [0, 0, 0], 0xab),
  'SNAP behind a VLAN': frame => tagged(inSnap(frame), [Q, 7]),
  'SNAP behind priority tags': frame => tagged(inSnap(frame), [Q, 0], [Q, 0]),
  'a tag behind SNAP': frame => inSnap(tagged(frame, [Q, 0])),
  'LLC for IP': frame => inLlc(frame, 0x06),
  'LLC for ARP': frame => inLlc(frame, 0x98)
}
