// A lab whose members are checked: servers of a few lines that answer what comes out of their
// ports.

import type { Plugin } from '../../../src/plugin.ts'
import { eth, type PacketBuilder } from '../../../src/wire/builder.ts'
import type { WorldObject } from '../../../test/world/store.ts'
import firewall from '../../firewall/index.ts'
import { type PortName, portIp } from '../../router/fixture.test.ts'
import {
  BalancedLab,
  endsOf,
  hostIp,
  hostIp6,
  hostMac,
  MEMBERS,
  member,
  plugins,
  portMac
} from '../fixture.test.ts'

export type Type = 'tcp' | 'http' | 'udp' | 'ping'
export type Mood = 'well' | 'silent' | 'refusing' | 'ill'

export const monitor = (type: string, fields: Record<string, unknown> = {}): WorldObject => ({
  kind: 'health-monitor',
  value: { id: 'hm', type, intervalMs: 1000, timeoutMs: 500, ...fields }
})

const SYN = 2
const RST = 4
const ACK = 16

/** A lab whose members answer checks, each in its mood. */
export class CheckedLab extends BalancedLab {
  readonly moods = new Map<string, Mood>()
  readonly asked: string[] = [] // payloads

  constructor(type: Type, fields: Record<string, unknown> = {}, more: object = {}) {
    super(
      {
        pool: { healthMonitor: 'hm' },
        members: MEMBERS.map(port => member(port, { weight: 1 })),
        more: [monitor(type, fields)],
        ...more
      },
      { plugins: [...plugins, firewall as unknown as Plugin], share: true }
    )
  }

  /** Time goes by, and servers answer. */
  live(ms: number): void {
    for (let left = ms; left > 0; left -= 10) {
      this.world.settle(10)
      for (const { port, frame } of this.world.delivered.splice(0)) {
        const answer = this.#serve(port, frame)
        if (answer !== undefined) this.world.send(port, answer.frame())
      }
    }
  }

  statuses(host = 'h1'): Record<string, string> {
    const table = this.world.hosts.get(host)!.host.view.table('health/p')
    const all: Record<string, string> = {}
    for (const [key, value] of table.entries())
      if (key !== 'checker') all[key.slice(2)] = value.replace(/ \d+ /, ' ')
    return all
  }

  get checker(): string | undefined {
    return this.world.store.table('health/p').get('checker')?.value.split(' ')[0]
  }

  #serve(port: string, frame: Uint8Array): PacketBuilder | undefined {
    const at = port as PortName
    const mood = this.moods.get(port) ?? 'well'
    if (frame[12] === 8 && frame[13] === 6) {
      const l2 = eth(hostMac(at), portMac(at))
      return l2.arpReply(hostMac(at), hostIp[at], portMac(at), portIp[at])
    }
    if (mood === 'silent') return undefined
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const isV6 = view.getUint16(12) === 0x86dd
    const { src, dst, sport, dport } = endsOf({ port, frame })
    if (dst !== hostIp[at] && dst !== hostIp6[at]) return undefined
    const l2 = eth(hostMac(at), portMac(at))
    const l3 = isV6 ? l2.ipv6(dst, src) : l2.ipv4(dst, src)
    const l4 = isV6 ? 54 : 34
    switch (view.getUint8(isV6 ? 20 : 23)) {
      case 1:
        return view.getUint8(l4) === 8
          ? l3.icmpEcho(view.getUint16(l4 + 4), view.getUint16(l4 + 6), { reply: true })
          : undefined
      case 58:
        return view.getUint8(l4) === 128
          ? l3.icmpv6Echo(view.getUint16(l4 + 4), view.getUint16(l4 + 6), { reply: true })
          : undefined
      case 17:
        if (mood === 'refusing') return l3.icmp(3, 3).payload(frame.subarray(14))
        return mood === 'ill' ? undefined : l3.udp(dport, sport).payload('here')
      case 6:
        return this.#tcp(l3, mood, view, l4, sport, dport)
      default:
        return undefined
    }
  }

  #tcp(
    l3: PacketBuilder,
    mood: Mood,
    view: DataView,
    l4: number,
    sport: number,
    dport: number
  ): PacketBuilder | undefined {
    const flags = view.getUint8(l4 + 13)
    const sequence = view.getUint32(l4 + 4)
    if ((flags & RST) !== 0) return undefined
    if ((flags & SYN) !== 0) {
      const acknowledgement = (sequence + 1) >>> 0
      if (mood === 'refusing') return l3.tcp(dport, sport, { flags: 'R.', acknowledgement })
      return l3.tcp(dport, sport, { flags: 'S.', sequence: 7000, acknowledgement, window: 5000 })
    }
    const body = new Uint8Array(view.buffer, view.byteOffset + l4 + 20)
    if (body.length === 0 || (flags & ACK) === 0) return undefined
    this.asked.push(new TextDecoder().decode(body))
    const acknowledgement = (sequence + body.length) >>> 0
    const status = mood === 'ill' ? '503 Unavailable' : '200 OK'
    return l3
      .tcp(dport, sport, { flags: 'P.', sequence: 7001, acknowledgement, window: 5000 })
      .payload(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`)
  }
}

export const ALL_UP = { d1: 'up well', d2: 'up well', d3: 'up well' }
