// Carries out actions on bytes: the action interpreter of the memory datapath and of traces.
// native/bpf/actions.h is its twin in the kernel. actions.test.ts holds it.

import * as ethernet from '../wire/ethernet.ts'
import * as icmp from '../wire/icmp.ts'
import * as icmpv6 from '../wire/icmpv6.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import * as tcp from '../wire/tcp.ts'
import * as udp from '../wire/udp.ts'
import * as vlan from '../wire/vlan.ts'
import { type ActionList, ActionType } from './actions.ts'

const HEADROOM = 64 // for pushed tags

/** A frame with room before it. Every edit keeps the checksums true. */
export class FrameEditor {
  readonly #buffer: Uint8Array
  readonly #view: DataView
  readonly #address = new Int32Array(4)
  readonly #end: number
  #at = HEADROOM

  constructor(frame: Uint8Array) {
    this.#buffer = new Uint8Array(HEADROOM + frame.length)
    this.#buffer.set(frame, HEADROOM)
    this.#view = new DataView(this.#buffer.buffer)
    this.#end = this.#buffer.length
  }

  /** A copy of the frame as it stands. */
  frame(): Uint8Array {
    return this.#buffer.slice(this.#at, this.#end)
  }

  /** Bytes the frame has now. */
  get length(): number {
    return this.#end - this.#at
  }

  /** Outputs are the caller's business; so are unknown types. */
  apply(actions: ActionList, i: number): void {
    const type = actions.type(i)
    const w0 = actions.w(i, 0)
    const w1 = actions.w(i, 1)
    switch (type) {
      case ActionType.setEthDst:
        return ethernet.setDst(this.#view, this.#at, w0 >>> 16, (w0 << 16) | (w1 & 0xffff))
      case ActionType.setEthSrc:
        return ethernet.setSrc(this.#view, this.#at, w0, w1)
      case ActionType.pushVlan:
        return this.#pushVlan(w0, actions.a(i))
      case ActionType.popVlan:
        return this.#popVlan()
      default:
        return this.#applyIp(actions, i, type)
    }
  }

  #pushVlan(tpid: number, tci: number): void {
    if (this.#at >= vlan.LENGTH) this.#at = vlan.push(this.#view, this.#at, tpid, tci)
  }

  #popVlan(): void {
    if (vlan.isTag(ethernet.type(this.#view, this.#at)) && this.length >= 18)
      this.#at = vlan.pop(this.#view, this.#at)
  }

  #applyIp(actions: ActionList, i: number, type: number): void {
    const view = this.#view
    let l3 = this.#at + ethernet.LENGTH
    let ethType = ethernet.type(view, this.#at)
    for (let tags = 0; tags < 2 && vlan.isTag(ethType) && this.#end - l3 >= 4; tags++) {
      ethType = view.getUint16(l3 + 2)
      l3 += vlan.LENGTH
    }
    if (ethType === ethernet.Type.ipv4 && ipv4.fits(view, l3, this.#end))
      this.#applyIpv4(actions, i, type, l3)
    else if (ethType === ethernet.Type.ipv6 && ipv6.fits(view, l3, this.#end))
      this.#applyIpv6(actions, i, type, l3)
  }

  #applyIpv4(actions: ActionList, i: number, type: number, l3: number): void {
    const view = this.#view
    switch (type) {
      case ActionType.setIpSrc:
        return ipv4.setSrc(view, l3, actions.w(i, 3))
      case ActionType.setIpDst:
        return ipv4.setDst(view, l3, actions.w(i, 3))
      case ActionType.setTos:
        return ipv4.setTos(view, l3, actions.a(i))
      case ActionType.addTtl:
        return ipv4.setTtl(view, l3, (ipv4.ttl(view, l3) + actions.w(i, 0)) & 255)
      default:
        if (ipv4.fragmentOffset(view, l3) !== 0) return
        ipv4.findTransport(view, l3, ipv4.payloadEnd(view, l3))
        return this.#applyL4(
          actions,
          i,
          type,
          ipv4.transport.protocol,
          ipv4.transport.l4,
          ipv4.payloadEnd(view, l3)
        )
    }
  }

  #applyIpv6(actions: ActionList, i: number, type: number, l3: number): void {
    const view = this.#view
    const address = this.#address
    for (let n = 0; n < 4; n++) address[n] = actions.w(i, n)
    switch (type) {
      case ActionType.setIpSrc:
        return ipv6.setSrc(view, l3, address, 0)
      case ActionType.setIpDst:
        return ipv6.setDst(view, l3, address, 0)
      case ActionType.setTos:
        return ipv6.setTrafficClass(view, l3, actions.a(i))
      case ActionType.addTtl:
        return ipv6.setHopLimit(view, l3, (ipv6.hopLimit(view, l3) + actions.w(i, 0)) & 255)
      default:
        if (ipv6.walk(view, l3, this.#end) && ipv6.walked.fragmentOffset === 0)
          this.#applyL4(
            actions,
            i,
            type,
            ipv6.walked.protocol,
            ipv6.walked.l4,
            ipv6.payloadEnd(view, l3)
          )
    }
  }

  #applyL4(
    actions: ActionList,
    i: number,
    type: number,
    protocol: number,
    l4: number,
    end: number
  ): void {
    const view = this.#view
    const value = actions.a(i)
    if (protocol === ipv4.Protocol.tcp && end - l4 >= tcp.LENGTH_MIN) {
      if (type === ActionType.setL4Src) tcp.setSrcPort(view, l4, value)
      else if (type === ActionType.setL4Dst) tcp.setDstPort(view, l4, value)
    } else if (protocol === ipv4.Protocol.udp && end - l4 >= udp.LENGTH) {
      if (type === ActionType.setL4Src) udp.setSrcPort(view, l4, value)
      else if (type === ActionType.setL4Dst) udp.setDstPort(view, l4, value)
    } else if (type === ActionType.setIcmpId && end - l4 >= icmp.LENGTH) {
      if (protocol === ipv4.Protocol.icmp) icmp.setId(view, l4, value)
      else if (protocol === ipv4.Protocol.icmpv6) icmpv6.setId(view, l4, value)
    }
  }
}

/** The frame after every edit of the list; outputs are passed over. */
export function rewrite(frame: Uint8Array, actions: ActionList): Uint8Array {
  const editor = new FrameEditor(frame)
  for (let i = 0; i < actions.count; i++) editor.apply(actions, i)
  return editor.frame()
}
