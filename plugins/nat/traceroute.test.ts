// RT-07: two machines with floating IPs behind routers of their own, and an edge router between.
//
//   vm1 10.1.0.10 ── r1 ── 169.254.1.0/30 ── edge ── 169.254.2.0/30 ── r2 ── vm2 10.2.0.10
//   100.64.0.1                                                              100.64.0.2

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plugin } from '../../src/plugin.ts'
import { arpRequest, eth } from '../../src/wire/builder.ts'
import { Topology } from '../../test/world/objects.ts'
import { World } from '../../test/world/world.ts'
import firewall from '../firewall/index.ts'
import router from '../router/index.ts'
import { answer, assertSameQuote, assertSound, errorAbout, flowOf, packet } from './fixture.test.ts'
import nat from './index.ts'

const plugins = [router, firewall, nat] as unknown as readonly Plugin[]
const VM = [0, 1].map(i => ({
  mac: `02:00:00:00:00:0${i + 1}`,
  gateway: `0a:00:00:00:00:0${i + 1}`,
  ip: `10.${i + 1}.0.10`,
  floating: `100.64.0.${i + 1}`
}))

function site(topology: Topology, n: 1 | 2): void {
  const { gateway, ip, floating } = VM[n - 1]!
  const [r, up, down] = [`r${n}`, `r${n}-edge`, `edge-r${n}`]
  topology
    .router(r, { inFilter: `${r}-in`, outFilter: `${r}-out` })
    .add('chain', `${r}-in`, { name: 'in' })
    .add('chain', `${r}-out`, { name: 'out' })
    .rule(`${r}-in`, 1, 'dnat', { destination: `${floating}/32`, natTargets: [{ from: ip }] })
    .rule(`${r}-out`, 1, 'snat', {
      source: `${ip}/32`,
      outPorts: [up],
      natTargets: [{ from: floating }]
    })
    .bound(`vm${n}`, 'router', r, `h${n}`, { mac: gateway, addresses: [`10.${n}.0.1/24`] })
    .link(
      up,
      { type: 'router', device: r, mac: `0a:00:00:00:01:0${n}`, addresses: [`169.254.${n}.2/30`] },
      down,
      {
        type: 'router',
        device: 'edge',
        mac: `0a:00:00:00:02:0${n}`,
        addresses: [`169.254.${n}.1/30`]
      }
    )
    .add('route', `${r}-default`, {
      router: r,
      destination: '0.0.0.0/0',
      port: up,
      gateway: `169.254.${n}.1`
    })
    .add('route', `edge-${n}`, {
      router: 'edge',
      destination: `${floating}/32`,
      port: down,
      gateway: `169.254.${n}.2`
    })
}

function world(): World {
  const topology = new Topology().router('edge')
  site(topology, 1)
  site(topology, 2)
  const made = new World({ plugins, objects: topology.objects })
  for (const [i, { mac, ip }] of VM.entries())
    made.exchange(`vm${i + 1}`, arpRequest(mac, ip, `10.${i + 1}.0.1`).frame())
  return made
}

const [one, two] = VM as [(typeof VM)[0], (typeof VM)[0]]
const probe = (ttl: number): Uint8Array =>
  eth(one.mac, one.gateway)
    .ipv4(one.ip, two.floating, { ttl })
    .udp(40_000, 33_434 + ttl)
    .payload('traceroute')
    .frame()

test('RT-07 every hop answers a traceroute through floating IPs', () => {
  const net = world()
  const hops = [1, 2, 3].map(ttl => {
    const [said] = net.exchange('vm1', probe(ttl))
    assert.equal(said?.port, 'vm1')
    assertSound(said.frame)
    assert.equal(flowOf(said.frame).dst, one.ip)
    assertSameHeader(said.frame, probe(ttl))
    return flowOf(said.frame).src
  })
  assert.deepEqual(hops, ['10.1.0.1', '169.254.1.1', '169.254.2.2'])
  const [arrived] = net.exchange('vm1', probe(4))
  assert.equal(arrived?.port, 'vm2')
  assert.equal(flowOf(arrived.frame).src, one.floating)
  const [last] = net.exchange('vm2', returned(errorAbout(arrived.frame), arrived.frame))
  assert.equal(last?.port, 'vm1')
  assert.equal(flowOf(last.frame).src, two.floating)
  assertSameHeader(last.frame, probe(4))
})

test('NAT-04 a connection between two floating IPs, both ways', () => {
  const net = world()
  const sent = packet({ protocol: 'tcp', src: one.ip, sport: 5000, dst: two.floating, dport: 80 })
  sent.set(probe(64).subarray(0, 12), 0)
  for (let i = 0; i < 3; i++) {
    const [there] = net.exchange('vm1', sent)
    assert.equal(there?.port, 'vm2')
    const [back] = net.exchange('vm2', returned(answer(there.frame), there.frame))
    assert.equal(back?.port, 'vm1')
    assert.equal(flowOf(back.frame).src, two.floating)
    assertSound(back.frame)
  }
  assert.equal(net.counter('state.snat') + net.counter('state.dnat'), 0)
})

// To whom the other frame came from.
function returned(frame: Uint8Array, from: Uint8Array): Uint8Array {
  frame.set(from.subarray(6, 12), 0)
  frame.set(from.subarray(0, 6), 6)
  return frame
}

// All of the quoted packet but what hops change: its TTL and the header's checksum.
function assertSameHeader(error: Uint8Array, sent: Uint8Array): void {
  const copy = sent.slice()
  const quoted = error.subarray(14 + 20 + 8)
  copy[14 + 8] = quoted[8]!
  copy.set(quoted.subarray(10, 12), 14 + 10)
  assertSameQuote(error, copy)
}
