// The interfaces of this thread's namespace and their addresses, as the kernel tells of them: one
// dump at the start, then events (RTNLGRP_LINK, RTNLGRP_*_IFADDR), never polling.  The addon only
// carries messages; what they mean is read here (rtnetlink(7)).

import { constants } from 'node:os'
import { formatIpv4, formatMac, macFrom } from '../wire/address.ts'
import { type Addon, check, loadAddon, type NetlinkHandle } from './addon.ts'

/** One network interface of this namespace. */
export interface Interface {
  /** Its number in the kernel. */
  readonly ifindex: number
  readonly name: string
  /** Set up by the operator. */
  readonly up: boolean
  /** And able to carry frames. */
  readonly running: boolean
  /** Bytes behind the MAC header. */
  readonly mtu: number
  /** As text; '' for an interface without. */
  readonly mac: string
  /** Veth, tun, bridge, loopback …; '' for hardware. */
  readonly kind: string
  /** The other end of a veth, the lower device of a VLAN; 0 = none. */
  readonly link: number
  /** A veth whose other end is in another namespace. */
  readonly peerElsewhere: boolean
  /** IPv4, without length. */
  readonly addresses: readonly string[]
}

type Link = Omit<Interface, 'addresses'>

/** An address of an interface. */
export interface InterfaceAddress {
  /** The interface it is of. */
  readonly ifindex: number
  /** IPv4 or IPv6. */
  readonly version: 4 | 6
  /** IPv4 in [3]. */
  readonly words: Int32Array
  /** Bits of its network. */
  readonly prefixLength: number
}

const Message = {
  done: 3,
  error: 2,
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20
} as const
const DEL_ADDRESS = 21
const GET_ADDRESS = 22
const NLM_F_REQUEST = 1
const NLM_F_DUMP = 0x300
const HEADER = 16
const LINK_INFO = 16
const ADDRESS_INFO = 8
const IFF_UP = 1
const IFF_LOOPBACK = 8
const IFF_RUNNING = 0x40
const Attribute = { address: 1, name: 3, mtu: 4, link: 5, linkInfo: 18, linkNamespace: 37 } as const
const INFO_KIND = 1
const NESTED_MASK = 0x3fff
const IfaAttribute = { address: 1, local: 2 } as const
const AF_INET = 2
const AF_INET6 = 10
const AF_BRIDGE = 7
const BUFFER = 256 * 1024

/** The interfaces of this namespace, kept up to date by the kernel's events. */
export class InterfaceWatcher {
  readonly #addon: Addon
  readonly #handle: NetlinkHandle
  readonly #links = new Map<number, Link>()
  readonly #addresses = new Map<string, InterfaceAddress>()
  readonly #listeners = new Set<() => void>()
  readonly #buffer = new Uint8Array(BUFFER)
  readonly #view = new DataView(this.#buffer.buffer)
  #lost = false
  #changed = false
  #open = true

  constructor(addon: Addon = loadAddon()) {
    this.#addon = addon
    this.#handle = check(
      'netlink',
      addon.netlinkOpen(() => this.#readable())
    )
    this.#dumpAll()
  }

  /** All interfaces, those that are down included. */
  list(): Interface[] {
    return [...this.#links.values()].map(link => this.#withAddresses(link))
  }

  /** The interface's MTU; undefined when it is not there. */
  mtu(ifindex: number): number | undefined {
    return this.#links.get(ifindex)?.mtu
  }

  /** The interface with this name; undefined when there is none. */
  byName(name: string): Interface | undefined {
    for (const link of this.#links.values())
      if (link.name === name) return this.#withAddresses(link)
    return undefined
  }

  /** IPv4, as numbers. */
  addressesOf(ifindex: number): number[] {
    return this.addresses()
      .filter(each => each.ifindex === ifindex && each.version === 4)
      .map(({ words }) => words[3]!)
  }

  /** All addresses of all interfaces. */
  addresses(): InterfaceAddress[] {
    return [...this.#addresses.values()]
  }

  /** `fire` is called after each batch of changes; the answer is `list()`. Returns the way out. */
  onChange(fire: () => void): () => void {
    this.#listeners.add(fire)
    return () => this.#listeners.delete(fire)
  }

  /** Listens no more. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#addon.netlinkClose(this.#handle)
  }

  #readable(): void {
    if (!this.#open) return
    for (;;) {
      const length = this.#read(false)
      if (length === 0) break
      this.#take(length)
    }
    if (this.#lost) this.#dumpAll()
    if (!this.#changed) return
    this.#changed = false
    for (const fire of [...this.#listeners]) fire()
  }

  // Lost events (the socket was full) are made good by asking for everything again.
  #read(wait: boolean): number {
    const length = this.#addon.netlinkRead(this.#handle, this.#buffer, wait)
    if (length !== -constants.errno.ENOBUFS) return check('netlink', length)
    this.#lost = true
    return this.#read(wait)
  }

  #dumpAll(): void {
    this.#lost = false
    this.#changed = true
    this.#links.clear()
    this.#addresses.clear()
    this.#dump(Message.getLink, LINK_INFO)
    this.#dump(GET_ADDRESS, ADDRESS_INFO)
  }

  #dump(type: number, info: number): void {
    const request = new DataView(new ArrayBuffer(HEADER + info))
    request.setUint32(0, HEADER + info, true)
    request.setUint16(4, type, true)
    request.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true)
    check('netlink', this.#addon.netlinkWrite(this.#handle, new Uint8Array(request.buffer)))
    for (let silent = 0; silent < 2; ) {
      const length = this.#read(true)
      if (length === 0) silent++
      else if (this.#take(length)) return
    }
  }

  // True when a dump ended in this datagram.
  #take(length: number): boolean {
    let done = false
    for (let at = 0; at + HEADER <= length; ) {
      const size = this.#view.getUint32(at, true)
      if (size < HEADER || at + size > length) break
      const type = this.#view.getUint16(at + 4, true)
      if (type === Message.done || type === Message.error) done = true
      else this.#message(type, at + HEADER, at + size)
      at += (size + 3) & ~3
    }
    return done
  }

  #message(type: number, at: number, end: number): void {
    const isLink = type === Message.newLink || type === Message.delLink
    if (isLink && end - at >= LINK_INFO) this.#link(type, at, end)
    if ((type === Message.newAddress || type === DEL_ADDRESS) && end - at >= ADDRESS_INFO)
      this.#address(type, at, end)
  }

  #link(type: number, at: number, end: number): void {
    // bridges speak of their ports in messages of their own, which say less
    if (this.#view.getUint8(at) === AF_BRIDGE) return
    const ifindex = this.#view.getInt32(at + 4, true)
    this.#changed = true
    if (type === Message.delLink) this.#links.delete(ifindex)
    else this.#links.set(ifindex, this.#parseLink(ifindex, at, end))
  }

  #parseLink(ifindex: number, at: number, end: number): Link {
    const view = this.#view
    const flags = view.getUint32(at + 8, true)
    const found = { name: '', mtu: 0, mac: '', kind: '', link: 0, linkNamespace: -1 }
    this.#attributes(at + LINK_INFO, end, (attribute, from, to) => {
      if (attribute === Attribute.name) found.name = this.#text(from, to)
      else if (attribute === Attribute.mtu) found.mtu = view.getUint32(from, true)
      else if (attribute === Attribute.link) found.link = view.getUint32(from, true)
      else if (attribute === Attribute.linkNamespace)
        found.linkNamespace = view.getInt32(from, true)
      else if (attribute === Attribute.address && to - from === 6)
        found.mac = formatMac(macFrom(view.getUint16(from), view.getInt32(from + 2)))
      else if (attribute === Attribute.linkInfo)
        this.#attributes(from, to, (inner, start, stop) => {
          if (inner === INFO_KIND) found.kind = this.#text(start, stop)
        })
    })
    const up = (flags & IFF_UP) !== 0
    if ((flags & IFF_LOOPBACK) !== 0) found.kind = 'loopback'
    const { linkNamespace, ...rest } = found
    const peerElsewhere = rest.kind === 'veth' && linkNamespace !== -1
    return { ifindex, up, running: up && (flags & IFF_RUNNING) !== 0, peerElsewhere, ...rest }
  }

  #withAddresses(link: Link): Interface {
    const addresses: string[] = []
    for (const { ifindex, version, words } of this.#addresses.values())
      if (ifindex === link.ifindex && version === 4) addresses.push(formatIpv4(words[3]!))
    return { ...link, addresses }
  }

  #address(type: number, at: number, end: number): void {
    const family = this.#view.getUint8(at)
    if (family !== AF_INET && family !== AF_INET6) return
    const version = family === AF_INET ? 4 : 6
    const prefixLength = this.#view.getUint8(at + 1)
    const ifindex = this.#view.getUint32(at + 4, true)
    const words = new Int32Array(4)
    // on a point-to-point link `address` is the other end, and `local` is ours
    let local = false
    this.#attributes(at + ADDRESS_INFO, end, (attribute, from, to) => {
      if (attribute !== IfaAttribute.local && (attribute !== IfaAttribute.address || local)) return
      local = attribute === IfaAttribute.local
      const count = (to - from) >> 2
      for (let i = 0; i < count && i < 4; i++)
        words[4 - count + i] = this.#view.getInt32(from + 4 * i)
    })
    const key = `${ifindex} ${words.join(' ')} ${prefixLength}`
    this.#changed = true
    if (type === DEL_ADDRESS) this.#addresses.delete(key)
    else this.#addresses.set(key, { ifindex, version, words, prefixLength })
  }

  #attributes(at: number, end: number, each: (type: number, from: number, to: number) => void) {
    while (at + 4 <= end) {
      const size = this.#view.getUint16(at, true)
      if (size < 4 || at + size > end) return
      each(this.#view.getUint16(at + 2, true) & NESTED_MASK, at + 4, at + size)
      at += (size + 3) & ~3
    }
  }

  #text(from: number, to: number): string {
    let text = ''
    for (let i = from; i < to && this.#buffer[i] !== 0; i++)
      text += String.fromCharCode(this.#buffer[i]!)
    return text
  }
}
