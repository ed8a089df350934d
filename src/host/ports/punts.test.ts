// Rules are given by port and put where the port is: whatever comes first, and again when it has
// moved or our end of the veth pair is another. What the datapath refuses is tried again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import type { PortPunt, PuntRules } from '../../datapath/punt.ts'
import type { Interface } from './interface.ts'
import { Punts } from './punts.ts'

const rules: PuntRules = {
  ...{ interface: 'mzu0a1b2c3d', addresses: ['203.0.113.2'], peers: [], services: [] }
}
const named = (name: string, ifindex: number): Interface => ({
  ...{ name, ifindex, up: true, mtu: 1500, mac: '', kind: 'veth', peerElsewhere: true },
  addresses: []
})
const veth = (ifindex: number) => [named('eth7', 3), named('mzu0a1b2c3d', ifindex)]

function open() {
  const told: string[] = []
  const counters = new CounterTable()
  const clock = new VirtualClock()
  const state = { mac: 0x020000000901 as number | undefined, fault: '', refused: () => {} }
  const datapath = {
    punt: (ifindex: number, punt: PortPunt | null, refused = () => {}) => {
      state.refused = refused
      told.push(punt === null ? `${ifindex}: none` : `${ifindex}: ${punt.inside} ${punt.mac}`)
      if (punt !== null && state.fault !== '') throw new Error(state.fault)
    }
  }
  const view = { port: () => (state.mac === undefined ? null : { mac: state.mac }) }
  const punts = new Punts({ datapath, view, counters, clock })
  let before = 0
  // The port is at this interface, 0: at none; and there are these.
  const follow = (ifindex: number, interfaces: readonly Interface[]): void => {
    if (before !== 0 && before !== ifindex) punts.left(before)
    punts.look(interfaces)
    if (ifindex !== 0 && before !== ifindex) punts.placed('p', ifindex)
    before = ifindex
  }
  const inForce = () => counters.value('agent.punts')
  return { punts, follow, told, state, inForce, counters, clock }
}

test('rules wait for port, interface and MAC, and hold once', () => {
  const { punts, follow, told, state, inForce } = open()
  state.mac = undefined
  punts.set('p', rules)
  follow(3, veth(9))
  state.mac = 5
  follow(0, veth(9))
  follow(3, [named('eth7', 3)])
  assert.deepEqual([told, inForce()], [[], 0])
  follow(3, veth(9))
  follow(3, veth(9))
  assert.deepEqual([told, inForce()], [['3: 9 5'], 1])
  punts.set('p', { ...rules, peers: ['203.0.113.1'] })
  assert.deepEqual(told.splice(0), ['3: 9 5', '3: 9 5'])
})

test('they follow a port that moves, a veth that is made anew, another MAC', () => {
  const { punts, follow, told, state } = open()
  follow(3, veth(9))
  punts.set('p', rules)
  told.length = 0
  follow(4, veth(9))
  follow(4, veth(10))
  state.mac = 6
  follow(4, veth(10))
  follow(4, [])
  follow(4, veth(11))
  follow(0, veth(11))
  assert.deepEqual(
    told.map(line => line.split(' ').slice(0, 2).join(' ')),
    ['3: none', '4: 9', '4: 10', '4: 10', '4: none', '4: 11', '4: none']
  )
})

test('none any more, also of what an earlier agent left, as soon as the port is bound', () => {
  const { punts, follow, told, inForce } = open()
  punts.clear('p')
  assert.deepEqual(told, [])
  follow(3, veth(9))
  follow(3, veth(9))
  assert.deepEqual(told.splice(0), ['3: none'])
  punts.set('p', rules)
  punts.clear('p')
  assert.equal(inForce(), 0)
  assert.deepEqual(told.splice(0).at(-1), '3: none')
  follow(3, veth(9))
  assert.deepEqual(told, [])
})

test('what the datapath refuses is told to who asked, or counted; bad rules leave the old', () => {
  const { punts, follow, told, state, inForce, counters } = open()
  follow(3, veth(9))
  state.fault = 'no room'
  assert.throws(() => punts.set('p', rules), /no room/)
  assert.deepEqual([told.splice(0).at(-1), inForce()], ['3: none', 0])
  state.fault = ''
  punts.set('p', rules)
  assert.throws(() => punts.set('p', { ...rules, peers: ['x'] }), /peers\[0\] is x/)
  assert.equal(inForce(), 1)
  state.fault = 'no room'
  follow(4, veth(9))
  assert.deepEqual([counters.value('agent.punt-failed'), inForce()], [1, 0])
})

test('what the datapath refused is tried again, later each time, and counted', () => {
  const { punts, follow, told, state, inForce, counters, clock } = open()
  punts.set('p', rules)
  state.fault = 'no such interface'
  state.mac = 5
  follow(3, veth(9))
  follow(3, veth(9)) // a look at interfaces is no reason to ask again
  clock.advance(3000)
  assert.deepEqual([told.splice(0), inForce()], [['3: 9', '3: 9', '3: 9'].map(at => `${at} 5`), 0])
  assert.equal(counters.value('agent.punt-failed'), 3)
  state.fault = ''
  clock.advance(4000)
  assert.deepEqual([told.splice(0), inForce(), clock.waiting], [['3: 9 5'], 1, 0])
  state.fault = 'no room'
  follow(4, veth(9))
  punts.clear('p')
  told.length = 0
  clock.advance(60_000)
  assert.deepEqual([told, clock.waiting], [[], 0], 'there are to be none')
})

test('an end of the veth pair that got no program is tried again', () => {
  const { punts, follow, told, state, inForce, counters, clock } = open()
  follow(3, veth(9))
  state.mac = 5
  punts.set('p', rules)
  const earlier = state.refused
  earlier()
  earlier()
  assert.deepEqual([counters.value('agent.punt-failed'), inForce()], [1, 0])
  told.length = 0
  clock.advance(1000)
  assert.deepEqual([told.splice(0), inForce(), clock.waiting], [['3: 9 5'], 1, 0])
  earlier()
  assert.equal(inForce(), 1, 'a word about what is not tried any more')
  state.refused()
  punts.close()
  assert.equal(clock.waiting, 0)
})
