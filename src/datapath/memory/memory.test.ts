// The memory datapath passes the conformance test; tunnels and the MTU, which the kernel shows on a
// real underlay (test/lab), are its own.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Arrival, datapathConformance } from '../../../test/datapath/conformance.ts'
import { Installer, mask, Taker } from '../../../test/datapath/taker.ts'
import { ActionList, ActionType, TunnelKind } from '../../flow/actions.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { eth } from '../../wire/builder.ts'
import { MemoryDatapath, type TunnelHeader } from './memory.ts'

const PORTS = [11, 12, 13]

function openMemory(options: { flowsMax?: number; creditsPerPort?: number }) {
  const out: Arrival[] = []
  const tunnelled: { to: TunnelHeader; frame: Uint8Array }[] = []
  const datapath = new MemoryDatapath(
    {
      output: (ifindex, bytes) => out.push({ port: PORTS.indexOf(ifindex), bytes }),
      tunnel: (to, frame) => tunnelled.push({ to, frame })
    },
    { now: () => 0, ...options }
  )
  for (const ifindex of [...PORTS, 1])
    datapath.attach({ ifindex, name: `i${ifindex}`, portClass: 0, peerRedirect: false })
  return {
    ...{ datapath, ports: PORTS, tunnelled },
    send: (port: number, ...frames: readonly Uint8Array[]) => {
      for (const frame of frames) datapath.input(PORTS[port]!, frame)
    },
    arrivals: async () => out.splice(0),
    until: async () => {},
    close: () => datapath.close()
  }
}

datapathConformance('memory', openMemory)

const frame = (length: number): Uint8Array =>
  eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
    .ipv4('10.0.0.1', '10.0.0.2')
    .udp(1, 2)
    .payload(length)
    .frame()

for (const [name, kind] of Object.entries(TunnelKind))
  test(`a frame leaves by ${name}, edited so far, and arrives with key and source`, async () => {
    const rig = openMemory({})
    const taker = new Taker(rig)
    const flows = new Installer(rig.datapath)
    const actions = new ActionList()
    actions.push(ActionType.setTos | (0x10 << 16))
    actions.tunnel(kind, 0xabcdef, 0x0a000002, 0x0a000001, 1)
    actions.output(PORTS[1]!)
    flows.install(new Int32Array(WORDS), mask({}), actions)
    rig.send(0, frame(10))
    const [sent] = rig.tunnelled
    const wanted = { kind, key: 0xabcdef, remote: 0x0a000002, local: 0x0a000001 }
    assert.deepEqual(sent!.to, wanted)
    assert.deepEqual(sent!.frame, (await rig.arrivals())[0]!.bytes)
    flows.clear()
    rig.datapath.input(1, sent!.frame, { key: 0xabcdef, src: 0x0a000001 })
    const [seen] = await taker.upcalls(1)
    assert.equal(seen!.key[Word.tunnelKey], 0xabcdef)
    assert.equal(seen!.key[Word.tunnelSrc], 0x0a000001)
  })

test('a control plane beside the walk is refused by name', () => {
  const rig = openMemory({})
  assert.throws(() => rig.datapath.punt(), /punt is not available here: .* no namespaces/)
})
