// A router's port with what routing asks of it: which addresses are its own, which neighbours
// are on its link, and in whose name it speaks.

import { address, type Port, type PortAddress, type PortId } from '../../src/plugin.ts'

const { maskWord } = address

/** It stays the same object while the port changes, so that routes may hold on to it. */
export class RouterPort {
  readonly id: PortId
  port!: Port
  /**
   * Its addresses; with IPv6 among them also its link-local one, which every IPv6 interface has
   * (RFC 4291 §2.8), listed or not.
   */
  addresses: readonly PortAddress[] = []
  /** Packets can leave by it, as far as is known here. */
  isUsable = false
  /** How often its agent came back. */
  returns = 0

  constructor(port: Port) {
    this.id = port.id
    this.update(port)
  }

  /** Takes over the port as it is now. */
  update(port: Port): void {
    if (this.port?.attended === false && port.attended) this.returns++
    this.port = port
    this.addresses = withLinkLocal(port)
    this.isUsable = port.adminStateUp && port.active && (port.peer ?? port.host) !== null
  }

  /** Whether the address is one of this port's; words[at..at+3]. */
  owns(family: number, words: Int32Array, at = 0): boolean {
    return this.addresses.some(a => a.family === family && equal(a.words, words, at))
  }

  /** The port's address in whose subnet this one lies: on the link, reached without a gateway. */
  onLink(family: number, words: Int32Array, at = 0): PortAddress | undefined {
    return this.addresses.find(a => a.family === family && contains(a, words, at))
  }

  /**
   * The subnet's own name or its broadcast address (RFC 1812 §5.3.5.2): nobody's address. A /31 has
   * neither (RFC 3021).
   */
  isSubnetBroadcast(ip: number): boolean {
    return this.addresses.some(({ family, words, length }) => {
      if (family !== 4 || length > 30 || ((ip ^ words[3]!) & maskWord(length)) !== 0) return false
      const host = ip & ~maskWord(length)
      return host === 0 || host === ~maskWord(length)
    })
  }

  /**
   * The address to speak from: on the link of whom it is for if possible, and for the world rather
   * than for the link.
   */
  sourceFor(family: number, words: Int32Array, at = 0): PortAddress | undefined {
    const near = this.onLink(family, words, at)
    if (near !== undefined) return near
    const ours = this.addresses.filter(a => a.family === family)
    return ours.find(a => !isLinkLocal(a)) ?? ours[0]
  }
}

function withLinkLocal({ mac, addresses }: Port): readonly PortAddress[] {
  if (!addresses.some(a => a.family === 6) || addresses.some(isLinkLocal)) return addresses
  return [...addresses, { family: 6, words: address.linkLocal(mac), length: 64 }]
}

const isLinkLocal = ({ family, words }: PortAddress): boolean =>
  family === 6 && address.ipv6IsLinkLocal(words[0]!)

const equal = (a: Int32Array, b: Int32Array, at: number): boolean =>
  a[3] === b[at + 3] && a[2] === b[at + 2] && a[1] === b[at + 1] && a[0] === b[at]

function contains({ family, words, length }: PortAddress, ip: Int32Array, at: number): boolean {
  const first = family === 4 ? 3 : 0
  for (let i = first; i < 4; i++) {
    const mask = maskWord(length - 32 * (i - first))
    if (((words[i]! ^ ip[at + i]!) & mask) !== 0) return false
  }
  return true
}
