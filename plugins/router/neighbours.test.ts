// Finding neighbours (ArpRequestBroker of MidoNet, for both families): two hosts with a copy of one
// table each, on one virtual clock.

import assert from 'node:assert/strict'
import test from 'node:test'
import Value from 'typebox/value'
import { VirtualClock } from '../../src/core/clock.ts'
import { CounterTable } from '../../src/core/counters.ts'
import { SeededRandom } from '../../src/core/random.ts'
import type { Tag } from '../../src/flow/tag.ts'
import { compilePort } from '../../src/topology/ports/port.ts'
import { SharedTable } from '../../src/topology/tables/shared-table.ts'
import { type Ip, parseIp, parseMac } from '../../src/wire/address.ts'
import { describeFrame } from '../../src/wire/describe.ts'
import { claimCounters } from './counters.ts'
import { portObject } from './fixture.test.ts'
import { NEIGHBOUR_FAILED, NEIGHBOUR_PENDING, Neighbours } from './neighbours.ts'
import { RouterPort } from './ports.ts'
import { type RouterSettings, routerSettings } from './settings.ts'

const MAC = parseMac('0a:00:00:00:09:01')
const OTHER = parseMac('0a:00:00:00:09:02')
const defaults = Value.Default(routerSettings, {}) as RouterSettings

// The store between the hosts: what one writes reaches both when `share` is called.
class Street {
  readonly clock = new VirtualClock()
  readonly hosts: Host[] = []
  readonly #waiting: Array<{ key: string; value: string | undefined; owner: string }> = []

  host(settings: Partial<RouterSettings> = {}): Host {
    const host = new Host(this, `host-${this.hosts.length}`, { ...defaults, ...settings })
    this.hosts.push(host)
    return host
  }

  write(key: string, value: string | undefined, owner: string): void {
    this.#waiting.push({ key, value, owner })
  }

  share(): void {
    for (const { key, value, owner } of this.#waiting.splice(0))
      for (const { name, table } of this.hosts) {
        table.apply([
          value === undefined
            ? { op: 'delete', key }
            : { op: 'put', entry: { key, value, owner, version: 1 } }
        ])
        if (name === owner) table.written(key)
      }
  }

  // Time passes, and what is written is shared at once.
  pass(ms: number): void {
    for (let left = ms; left > 0; left -= 100) {
      this.clock.advance(Math.min(100, left))
      this.share()
    }
  }
}

class Host {
  readonly name: string
  readonly table: SharedTable
  readonly neighbours: Neighbours
  readonly counters = new CounterTable()
  readonly sent: Array<{ at: number; text: string }> = []
  readonly woken: string[] = []
  readonly stale: Tag[] = []

  constructor(street: Street, name: string, settings: RouterSettings) {
    const { clock } = street
    this.name = name
    this.table = new SharedTable('neighbour/d1', name, {
      put: (_, key, value) => street.write(key, value, name),
      remove: (_, key) => street.write(key, undefined, name)
    })
    const port = new RouterPort(compilePort(portObject('d1').value as never, true))
    this.neighbours = new Neighbours(port, this.table, {
      clock,
      random: new SeededRandom(7),
      counters: claimCounters(this.counters),
      settings,
      walks: {
        emit: frame => this.sent.push({ at: clock.now(), text: describeFrame(frame) }),
        wake: text => this.woken.push(text),
        invalidate: tags => this.stale.push(...tags)
      }
    })
  }

  asked(): number {
    return this.sent.length
  }
}

for (const { family, text } of [
  { family: 'IPv4', text: '10.0.1.99' },
  { family: 'IPv6', text: '2001:db8:1::99' }
]) {
  const ip: Ip = parseIp(text)
  const waiting = `neighbour/d1/${text}`
  const check = (name: string, body: (street: Street, a: Host, b: Host) => void): void => {
    test(`ArpRequestBroker: ${name} (${family})`, () => {
      const street = new Street()
      body(street, street.host(), street.host())
    })
  }

  check('many who ask for one address cause one request', (_, a) => {
    for (let i = 0; i < 5; i++) assert.equal(a.neighbours.find(ip), NEIGHBOUR_PENDING)
    assert.equal(a.asked(), 1)
    assert.ok(a.sent[0]!.text.includes(`who-has ${text}`), a.sent[0]!.text)
    assert.equal(a.neighbours.waitingFor(ip), waiting)
  })

  check('asked again with jitter until the timeout, then all who wait fail', (street, a) => {
    a.neighbours.find(ip)
    street.pass(2990)
    assert.deepEqual(a.woken, [])
    street.pass(20)
    assert.deepEqual(a.woken, [waiting])
    assert.equal(a.neighbours.find(ip), NEIGHBOUR_FAILED)
    const asked = a.asked()
    street.pass(2900)
    assert.equal(a.neighbours.find(ip), NEIGHBOUR_FAILED)
    assert.equal(a.asked(), asked, 'not asked for while it is known to be unreachable')
    street.pass(200)
    assert.equal(a.neighbours.find(ip), NEIGHBOUR_PENDING)
    assert.equal(a.asked(), asked + 1)
  })

  test(`ArpRequestBroker: pauses have jitter and grow by 0.1 (${family})`, () => {
    const street = new Street()
    const a = street.host({ neighbourTimeoutMs: 60_000 })
    a.neighbours.find(ip)
    street.pass(60_000)
    assert.ok(a.asked() > 10)
    const pauses = new Set<number>()
    for (let i = 1; i < a.asked(); i++) {
      const pause = a.sent[i]!.at - a.sent[i - 1]!.at - 100 * (i - 1)
      assert.ok(pause >= 750 - 1e-6 && pause <= 1250 + 1e-6, `pause ${i} is ${pause}`)
      pauses.add(Math.round(pause))
    }
    assert.ok(pauses.size > 5, 'all pauses are alike')
  })

  check('an answer here wakes who waits, and makes nothing stale', (_, a) => {
    a.neighbours.find(ip)
    a.neighbours.learn(ip, MAC)
    assert.deepEqual(a.woken, [waiting])
    assert.deepEqual(a.stale, [])
    assert.equal(a.neighbours.find(ip), MAC)
  })

  check('an answer at another host wakes when the table shows it', (street, a, b) => {
    a.neighbours.find(ip)
    b.neighbours.learn(ip, MAC)
    assert.deepEqual(a.woken, [])
    assert.equal(a.neighbours.find(ip), NEIGHBOUR_PENDING)
    street.share()
    assert.deepEqual(a.woken, [waiting])
    assert.equal(a.neighbours.find(ip), MAC)
    street.pass(5000)
    assert.equal(a.asked(), 1, 'nobody is asked for what is known')
  })

  check('another MAC makes flows stale at every host', (street, a, b) => {
    a.neighbours.learn(ip, MAC)
    street.share()
    b.neighbours.learn(ip, OTHER)
    street.share()
    for (const host of [a, b]) {
      assert.deepEqual(host.stale, [host.neighbours.tag(ip)])
      assert.equal(host.neighbours.find(ip), OTHER)
    }
  })

  check('found after it had failed: drops that rested on the failure go', (street, a) => {
    a.neighbours.find(ip)
    street.pass(3500)
    assert.equal(a.neighbours.find(ip), NEIGHBOUR_FAILED)
    a.neighbours.learn(ip, MAC)
    assert.deepEqual(a.stale, [a.neighbours.tag(ip)])
    assert.equal(a.neighbours.find(ip), MAC)
  })

  check('a stale entry is used while it is asked for again, first at its MAC', (street, a, b) => {
    b.neighbours.learn(ip, MAC)
    street.share()
    b.neighbours.close()
    street.pass(59_000)
    assert.equal(a.neighbours.find(ip), MAC)
    assert.equal(a.asked(), 0)
    street.pass(14_000)
    assert.equal(a.neighbours.find(ip), MAC)
    assert.equal(a.neighbours.find(ip), MAC)
    assert.equal(a.asked(), 1)
    assert.match(a.sent[0]!.text, / > 0a:00:00:00:09:01 /)
    a.neighbours.learn(ip, MAC)
    street.pass(5000)
    assert.equal(a.neighbours.find(ip), MAC)
    assert.equal(a.asked(), 1)
    assert.deepEqual(a.stale, [])
  })

  check(
    'who wrote an entry asks again without being used, and keeps it if answered',
    (street, a) => {
      a.neighbours.learn(ip, MAC)
      for (let i = 0; i < 30; i++) {
        const asked = a.asked()
        street.pass(10_000)
        if (a.asked() > asked) a.neighbours.learn(ip, MAC)
      }
      assert.equal(a.table.size, 1)
      assert.ok(a.asked() >= 3 && a.asked() <= 6, `asked ${a.asked()} times in 300 s`)
      assert.deepEqual(a.stale, [])
    }
  )

  check('an entry that nothing renews expires at every host', (street, a, b) => {
    a.neighbours.learn(ip, MAC)
    street.share()
    assert.equal(b.neighbours.find(ip), MAC)
    street.pass(110_000)
    assert.equal(a.table.size, 0)
    assert.equal(b.table.size, 0)
    for (const host of [a, b]) assert.deepEqual(host.stale, [host.neighbours.tag(ip)])
    assert.equal(a.counters.value('router.neighbour-expired'), 1)
    assert.equal(b.neighbours.find(ip), NEIGHBOUR_PENDING)
  })

  check('only who wrote an entry lets it expire', (street, a, b) => {
    a.neighbours.learn(ip, MAC)
    street.share()
    a.neighbours.close()
    street.pass(200_000)
    assert.equal(b.table.size, 1)
  })

  check('what is told again and again is written once', (street, a) => {
    for (let i = 0; i < 20; i++) {
      a.neighbours.learn(ip, MAC)
      street.pass(1000)
    }
    assert.equal(a.counters.value('router.neighbour-learned'), 1)
  })

  check('a dry run asks nobody', (_, a) => {
    assert.equal(a.neighbours.find(ip, true), NEIGHBOUR_PENDING)
    assert.equal(a.asked(), 0)
  })

  check('closed, it fires no timer and hears nothing', (street, a, b) => {
    a.neighbours.learn(parseIp('10.0.1.5'), MAC)
    street.share()
    a.neighbours.find(ip)
    a.neighbours.close()
    b.neighbours.close()
    assert.equal(street.clock.waiting, 0)
    b.table.put(text, '0a:00:00:00:09:01 1')
    street.share()
    assert.deepEqual(a.woken, [])
  })
}

test('a scan of the subnet asks for so many at once; the oldest fails for the newest', () => {
  const street = new Street()
  const a = street.host({ neighbourPendingMax: 4 })
  for (let i = 1; i <= 10; i++) a.neighbours.find(parseIp(`10.0.1.${100 + i}`))
  assert.equal(a.asked(), 10, 'each has its chance to answer')
  assert.equal(a.counters.value('router.neighbour-pending-full'), 6)
  assert.equal(a.woken.length, 6)
  assert.equal(a.neighbours.find(parseIp('10.0.1.101')), NEIGHBOUR_FAILED)
  assert.equal(a.neighbours.find(parseIp('10.0.1.110')), NEIGHBOUR_PENDING)
})

test('a full table forgets its oldest own entry, and refuses when it owns none', () => {
  const street = new Street()
  const a = street.host({ neighbourMax: 3 })
  const b = street.host({ neighbourMax: 3 })
  for (let i = 1; i <= 4; i++) a.neighbours.learn(parseIp(`10.0.1.${i}0`), MAC)
  street.share()
  assert.equal(a.table.size, 3)
  assert.equal(a.table.get('10.0.1.10'), undefined)
  assert.notEqual(a.table.get('10.0.1.40'), undefined)
  b.neighbours.learn(parseIp('10.0.1.50'), MAC)
  assert.equal(b.table.get('10.0.1.50'), undefined)
  assert.equal(b.counters.value('router.neighbour-table-full'), 1)
})

test('an entry that cannot be read counts as none', () => {
  const street = new Street()
  const a = street.host()
  street.write('10.0.1.99', 'rubbish', 'somebody')
  street.write('rubbish', '0a:00:00:00:09:01 1', 'somebody')
  street.share()
  assert.equal(a.neighbours.find(parseIp('10.0.1.99')), NEIGHBOUR_PENDING)
})

test('a neighbour that moves all the time is written so often a second; the asked is heard', () => {
  const street = new Street()
  const a = street.host()
  const ip = parseIp('10.0.1.77')
  for (let i = 0; i < 20_000; i++) {
    a.neighbours.learn(ip, i % 2 === 0 ? MAC : OTHER)
    if (i % 100 === 0) street.pass(1)
  }
  const learned = a.counters.value('router.neighbour-learned')
  assert.ok(learned > 1000 && learned < 1200, `${learned}`)
  assert.equal(a.neighbours.find(parseIp('10.0.1.99')), NEIGHBOUR_PENDING)
  a.neighbours.learn(parseIp('10.0.1.99'), MAC)
  assert.equal(a.neighbours.find(parseIp('10.0.1.99')), MAC)
})
