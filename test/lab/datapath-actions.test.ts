// The kernel's action interpreter and TypeScript's make the same frames: each action alone, and
// random lists of them with outputs between, on the slow path and on the fast one.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { SeededRandom } from '../../src/core/random.ts'
import { ActionList, ActionType } from '../../src/flow/actions.ts'
import { FrameEditor } from '../../src/flow/rewrite.ts'
import { parseIpv4, parseIpv6 } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { type Arrival, FrameBench, hex } from './datapath-frames.ts'
import { canRun, maskOf } from './datapath-lab.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const FLAGS = 0x18

const packets: Record<string, PacketBuilder> = {
  'v4 TCP': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1000, 80, { flags: FLAGS }).payload(33),
  'v4 UDP': eth(A, B).ipv4('10.0.0.1', '10.0.0.2', { tos: 3 }).udp(1000, 53).payload(20),
  'v4 echo': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').icmpEcho(77, 1).payload(56),
  'v6 TCP': eth(A, B).ipv6('fd00::1', 'fd00::2').tcp(1000, 80, { flags: FLAGS }).payload(34),
  'v6 UDP': eth(A, B).ipv6('fd00::1', 'fd00::2').udp(1000, 53).payload(21),
  'v6 echo': eth(A, B).ipv6('fd00::1', 'fd00::2').icmpv6Echo(77, 1).payload(56),
  'v6 UDP behind options': eth(A, B)
    .ipv6('fd00::1', 'fd00::2')
    .extension('destination')
    .udp(1000, 53)
    .payload(9),
  'tagged v4 UDP': eth(A, B).vlan(5, 3).ipv4('10.0.0.1', '10.0.0.2').udp(1000, 53).payload(20),
  'QinQ v6 TCP': eth(A, B).qinq(7).vlan(5).ipv6('fd00::1', 'fd00::2').tcp(1000, 80).payload(1),
  'priority tag and v4 UDP': eth(A, B).vlan(0, 5).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2),
  ARP: eth(A, B).arpRequest(A, '10.0.0.1', '10.0.0.2')
}

const v6 = new Int32Array(4)
parseIpv6('2001:db8:1:2:3:4:5:6', v6, 0)
const v4 = parseIpv4('192.0.2.99')

type Edit = (list: ActionList, six: boolean) => void
const address =
  (type: number): Edit =>
  (list, six) =>
    six ? list.push(type, v6[0], v6[1], v6[2], v6[3]) : list.push(type, 0, 0, 0, v4)

const edits: Record<string, Edit> = {
  'set-eth-dst': list => list.push(ActionType.setEthDst, 0x0a0b0c0d, 0x0e0f),
  'set-eth-src': list => list.push(ActionType.setEthSrc, 0x0a0b, 0x0c0d0e0f),
  'push-vlan': list => list.push(ActionType.pushVlan | (0x2123 << 16), 0x8100),
  'push-qinq': list => list.push(ActionType.pushVlan | (0x0042 << 16), 0x88a8),
  'pop-vlan': list => list.push(ActionType.popVlan),
  'set-ip-src': address(ActionType.setIpSrc),
  'set-ip-dst': address(ActionType.setIpDst),
  'set-tos': list => list.push(ActionType.setTos | (0xb9 << 16)),
  'decrement-ttl': list => list.push(ActionType.addTtl, -1),
  'set-l4-src': list => list.push(ActionType.setL4Src | (4242 << 16)),
  'set-l4-dst': list => list.push(ActionType.setL4Dst | (8080 << 16)),
  'set-icmp-id': list => list.push(ActionType.setIcmpId | (0x4321 << 16))
}

describe('datapath: actions', { skip: canRun }, () => {
  let at: FrameBench
  before(() => {
    at = new FrameBench(4)
  })
  after(() => at.close())

  const expected = (frame: Uint8Array, actions: ActionList): string[] => {
    const editor = new FrameEditor(frame)
    const out: string[] = []
    for (let i = 0; i < actions.count; i++)
      if (actions.type(i) === ActionType.output)
        out.push(`${at.ports.indexOf(actions.w(i, 0))} ${hex(editor.frame())}`)
      else editor.apply(actions, i)
    return out.sort()
  }
  const got = (arrivals: Arrival[]): string[] =>
    arrivals.map(({ port, bytes }) => `${port} ${hex(bytes)}`).sort()

  // First by packet-out, then by the flow that was installed.
  const agree = async (frame: Uint8Array, actions: ActionList, what: string): Promise<void> => {
    at.decide((_, into) => {
      into.copy(actions)
      return maskOf(0, 3, 7, 8, 9, 10, 11, 16, 17)
    })
    const wanted = expected(frame, actions)
    for (const path of ['slow path', 'fast path']) {
      const hits = at.datapath.counters().hits!
      at.send(0, frame)
      assert.deepEqual(got(await at.arrivals(wanted.length)), wanted, `${what}, ${path}`)
      if (path === 'fast path') assert.equal(at.datapath.counters().hits, hits + 1, what)
    }
    at.under.forget()
  }

  for (const [packet, builder] of Object.entries(packets))
    test(`each action on ${packet}`, async () => {
      const six = packet.includes('v6')
      for (const [name, edit] of Object.entries(edits)) {
        const list = new ActionList()
        edit(list, six)
        list.output(at.ports[1]!)
        await agree(builder.frame(), list, `${name} on ${packet}`)
      }
    })

  test('random lists with outputs between', async () => {
    const random = new SeededRandom(11)
    const all = Object.entries(edits)
    const frames = Object.entries(packets)
    for (let round = 0; round < 60; round++) {
      const [packet, builder] = frames[random.below(frames.length)]!
      const list = new ActionList()
      const length = 1 + random.below(24)
      let tags = packet.includes('QinQ') ? 2 : packet.includes('tagged') ? 1 : 0
      for (let i = 0; i < length; i++) {
        const [name, edit] = all[random.below(all.length)]!
        if (random.below(3) === 0) {
          list.output(at.ports[1 + random.below(3)]!)
          continue
        }
        if (name.startsWith('push') && tags === 2) continue // as deep as a key reaches
        edit(list, packet.includes('v6'))
        if (name.startsWith('push')) tags++
        if (name.startsWith('pop')) tags = Math.max(0, tags - 1)
      }
      list.output(at.ports[1 + random.below(3)]!)
      await agree(builder.frame(), list, `round ${round}, ${packet}`)
    }
  })
})
