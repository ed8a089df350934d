// Programs on interfaces: what comes in waits until a port's program is there, or given up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemClock } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import type { PhysicalPort } from '../../datapath/datapath.ts'
import type { Tag } from '../../flow/tag.ts'
import { HostEvents } from '../events.ts'
import { waitForInterface } from '../waits.ts'
import { Attachments, interfaceTag } from './attachments.ts'
import type { Interface } from './interface.ts'

const at = (ifindex: number): Interface => ({
  ...{ ifindex, name: `if${ifindex}`, up: true, mtu: 1500, mac: '02:00:00:00:00:01' },
  ...{ kind: 'veth', peerElsewhere: false, addresses: [] }
})

// Programs are there at once, or when `finish` is called.
function open(isSlow = false) {
  const attached = new Map<number, string>()
  const finishing: (() => void)[] = []
  const put = ({ ifindex, portClass }: PhysicalPort): void => {
    if (ifindex === 99) throw new Error('the interface has gone')
    attached.set(ifindex, String(portClass))
  }
  let others = 0
  const datapath = {
    attach: put,
    attachSoon: (port: PhysicalPort, done: (isThere: boolean) => void): void => {
      const finish = (): void => {
        if (port.ifindex !== 99) put(port)
        done(port.ifindex !== 99)
      }
      if (isSlow) finishing.push(finish)
      else finish()
    },
    detach: (ifindex: number): void => void attached.delete(ifindex),
    detachOthers: (): void => void others++
  }
  const events = new HostEvents()
  const counters = new CounterTable()
  const woken: string[] = []
  const outdated: Tag[] = []
  events.wake.on(cause => woken.push(cause))
  events.outdate.on(tags => outdated.push(...tags))
  const places: string[] = []
  const punts = {
    placed: (port: string, ifindex: number): void => {
      assert.equal(attached.has(ifindex), false, 'before its program')
      places.push(`${port} at ${ifindex}`)
    },
    left: (ifindex: number): void => void places.push(`none at ${ifindex}`)
  }
  const clock = new SystemClock()
  const attachments = new Attachments({ datapath, counters, clock, events, punts })
  const finish = (): void => {
    for (const each of finishing.splice(0)) each()
  }
  return {
    ...{ attachments, attached, counters, woken, outdated, finish, places },
    others: () => others
  }
}

test('punts hear where ports are before their programs are there, and that they left', () => {
  const { attachments, places } = open()
  attachments.prepare('p', null, at(1), assert.fail)
  attachments.activated(1)
  attachments.detach(1)
  attachments.prepare('q', null, at(2), assert.fail)
  attachments.keep(new Map())
  attachments.prepare('r', null, at(99), assert.fail)
  const left = ['none at 1', 'none at 2', 'none at 99']
  assert.deepEqual(places, ['p at 1', left[0], 'q at 2', left[1], 'r at 99', left[2]])
})

test('a program that is there at once lets its port be activated at once', () => {
  const { attachments, attached, counters, woken } = open()
  assert.equal(attachments.prepare('p', null, at(1), assert.fail), true)
  assert.equal(attachments.isComing(1), true)
  assert.equal(attachments.comingBy('p'), 1)
  attachments.activated(1)
  assert.equal(attachments.isComing(1), false)
  assert.deepEqual(woken, [waitForInterface(1)])
  attachments.detach(1)
  assert.equal(attached.size, 0)
  assert.equal(counters.snapshot().histograms['agent.attach-ms']!.count, 1)
})

test('one that takes a while says when it is there', () => {
  const { attachments, finish } = open(true)
  let told = 0
  const prepare = (): boolean => attachments.prepare('p', null, at(1), () => told++)
  assert.equal(prepare(), false)
  assert.equal(prepare(), false)
  finish()
  assert.equal(told, 1)
  assert.equal(prepare(), true)
})

test('of two ports that want an interface the first has it', () => {
  const { attachments } = open()
  attachments.prepare('p', null, at(1), assert.fail)
  assert.equal(attachments.prepare('q', null, at(1), assert.fail), false)
  assert.equal(attachments.comingBy('q'), 0)
})

test('a port that is given up lets its packets go, and its late program changes nothing', () => {
  const { attachments, woken, finish } = open(true)
  attachments.prepare('p', null, at(1), assert.fail)
  attachments.keep(new Map([['p', at(2)]]))
  assert.deepEqual(woken, [waitForInterface(1)])
  assert.equal(attachments.isComing(1), false)
  finish()
  assert.equal(attachments.isComing(1), false)
})

test('an interface that refuses its program is counted, and tried anew', () => {
  const { attachments, counters } = open()
  assert.equal(attachments.prepare('p', null, at(99), assert.fail), false)
  assert.equal(attachments.isComing(99), false)
  attachments.setUnderlays([at(99)])
  assert.equal(attachments.isUnderlay(99), false)
  assert.equal(counters.value('agent.attach-failed'), 2)
})

test('underlays come and go with what their flows rest on', () => {
  const { attachments, attached, outdated } = open()
  attachments.setUnderlays([at(1), at(2)])
  attachments.setUnderlays([at(2)])
  assert.deepEqual([attachments.isUnderlay(1), attachments.isUnderlay(2)], [false, true])
  assert.deepEqual(outdated, [interfaceTag(1), interfaceTag(2), interfaceTag(1)])
  attachments.detach(2) // a port had it: the program of the underlay stays
  assert.deepEqual([...attached.keys()], [2])
})

test("an earlier agent's programs go once", () => {
  const { attachments, others } = open()
  attachments.detachOthers()
  attachments.detachOthers()
  assert.equal(others(), 1)
})
