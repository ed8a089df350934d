// The worker's view against the store that is the truth.  Interests overlap and are told each in
// its own time; whatever the order, the view ends where the store is, wakes whoever asked too
// early, and says of every change of a port or device what it makes stale.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { VirtualClock } from '../core/clock.ts'
import { deviceTag, egressTag, type Tag } from '../flow/tag.ts'
import type { Port } from '../simulation/device.ts'
import { Verdict } from '../simulation/verdict.ts'
import type { DeviceFactory, LiveDevice, Models } from './factory.ts'
import { type Interest, interestKey } from './interest.ts'
import type { Stored } from './model.ts'
import type { PortModel } from './models.ts'
import { activeTable } from './ports/port-status.ts'
import type { Versioned, WatchEvent } from './store.ts'
import { TopologyView } from './view.ts'

// A device that remembers what it read: its model, its ports and their peers.
class Box implements LiveDevice {
  readonly id: string
  read = ''
  closed = false
  isBusy = false

  constructor(id: string, models: Models) {
    this.id = id
    this.update(models)
  }

  process(): Verdict {
    return Verdict.consume
  }

  update(models: Models): readonly Tag[] {
    const ports = models.portsOf(this.id).map(({ id, number, peer }) => {
      return `${id} ${number} ${peer === null ? '-' : (models.port(peer)?.number ?? 'none')}`
    })
    const read = [models.get('bridge', this.id)?.name, ...ports].join()
    const isSame = read === this.read
    this.read = read
    return isSame ? [] : [deviceTag(this.id)]
  }

  close(): void {
    this.closed = true
  }
}

const factory: DeviceFactory = {
  interests: (id, models) => [
    { kind: 'port', field: 'device', value: id },
    ...models.portsOf(id).flatMap(({ peer }) => (peer === null ? [] : [{ kind: 'port', id: peer }]))
  ],
  make: (id, models) => new Box(id, models)
}

interface Feed {
  readonly interest: Interest
  readonly queue: { events: WatchEvent[]; ready: boolean; isEnd?: boolean }[]
  isClosed: boolean
}

// The store, and one queue of news for each interest of the view.
class Ground {
  readonly objects = new Map<string, Versioned>()
  readonly feeds: Feed[] = []
  readonly clock = new VirtualClock()
  readonly stale: Tag[] = []
  readonly woken: string[] = []
  readonly view: TopologyView
  #version = 0

  constructor(host = '') {
    const link = {
      session: 'self',
      want: (interest: Interest) => this.#want(interest),
      unwant: (interest: Interest) => this.#unwant(interest),
      put: () => {},
      remove: () => {}
    }
    const listener = {
      outdate: (tags: readonly Tag[]) => this.stale.push(...tags),
      wake: (text: string) => this.woken.push(text),
      topologyChanged: () => {}
    }
    this.view = new TopologyView(new Map([['bridge', factory]]), link, listener, this.clock, host)
  }

  put(kind: string, value: Stored): void {
    const key = `${kind}/${value.id}`
    const before = this.objects.get(key)
    const object = { kind, id: value.id, version: ++this.#version, value }
    this.objects.set(key, object)
    this.#tell(before, object)
  }

  delete(kind: string, id: string): void {
    const before = this.objects.get(`${kind}/${id}`)
    if (before === undefined) return
    this.#version++
    this.objects.delete(`${kind}/${id}`)
    this.#tell(before, undefined)
  }

  // Tells the oldest news of the n-th interest that has some; false when there is none.
  deliver(n: number): boolean {
    const feeds = this.feeds.filter(({ queue }) => queue.length > 0)
    const feed = feeds[n % Math.max(1, feeds.length)]
    const news = feed?.queue.shift()
    if (feed === undefined || news === undefined) return false
    if (news.isEnd === true) {
      this.feeds.splice(this.feeds.indexOf(feed), 1)
      this.view.unwanted(feed.interest)
    } else if ('table' in feed.interest) this.view.applyTable(feed.interest.table, [], news.ready)
    else this.view.apply(interestKey(feed.interest), news.events, news.ready)
    return true
  }

  settle(): void {
    while (this.deliver(0)) {}
  }

  #want(interest: Interest): void {
    const events = [...this.objects.values()]
      .filter(object => matches(interest, object))
      .map(object => ({ op: 'put' as const, object }))
    this.feeds.push({ interest, queue: [{ events, ready: true }], isClosed: false })
  }

  // What is on its way is told before the end is.
  #unwant(interest: Interest): void {
    const key = interestKey(interest)
    const isIt = (each: Feed): boolean => !each.isClosed && interestKey(each.interest) === key
    const feed = this.feeds.find(isIt)!
    feed.isClosed = true
    feed.queue.push({ events: [], ready: false, isEnd: true })
  }

  #tell(before: Versioned | undefined, after: Versioned | undefined): void {
    for (const { interest, queue } of this.feeds.filter(({ isClosed }) => !isClosed))
      if (after !== undefined && matches(interest, after))
        queue.push({ events: [{ op: 'put', object: after }], ready: false })
      else if (before !== undefined && matches(interest, before)) {
        const { kind, id } = before
        queue.push({ events: [{ op: 'delete', kind, id }], ready: false })
      }
  }
}

function matches(interest: Interest, { kind, id, value }: Versioned): boolean {
  if ('table' in interest || interest.kind !== kind) return false
  if ('id' in interest) return interest.id === id
  return !('field' in interest) || value[interest.field] === interest.value
}

const IDLE_MS = 15 * 60_000
const PORTS = ['p0', 'p1', 'p2', 'p3']
const BOXES = ['d0', 'd1']
const step = fc.record({
  do: fc.constantFrom(
    ...[
      'port',
      'port',
      'unport',
      'box',
      'unbox',
      'askPort',
      'askBox',
      'hear',
      'hear',
      'hear',
      'wait'
    ]
  ),
  n: fc.nat({ max: 3 }),
  device: fc.nat({ max: 1 }),
  peer: fc.nat({ max: 5 }),
  up: fc.boolean()
})

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

function change(ground: Ground, { do: what, n, device, peer, up }: Step): void {
  const id = PORTS[n]!
  if (what === 'unport') ground.delete('port', id)
  else if (what === 'box') ground.put('bridge', { id: BOXES[device]!, name: `name ${peer}` })
  else if (what === 'unbox') ground.delete('bridge', BOXES[device]!)
  else if (what === 'port') {
    const common = { id, number: n + 1, type: 'bridge', device: BOXES[device]!, adminStateUp: up }
    const other = PORTS[peer]
    const link = other === undefined || other === id ? {} : { peer: other }
    ground.put('port', { ...common, ...link })
  }
}

test('it ends where the store is, whatever was told when, and wakes who asked too early', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
      const ground = new Ground()
      const waiting = new Set<string>()
      for (const each of steps) {
        const { do: what, n, device, peer, up } = each
        if (what === 'askPort' && ground.view.port(PORTS[n]!) === undefined)
          waiting.add(`port/${PORTS[n]}`)
        else if (what === 'askBox' && ground.view.device('bridge', BOXES[device]!) === undefined)
          waiting.add(`bridge/${BOXES[device]}`)
        else if (what === 'hear') hearAndCompare(ground, peer, up ? 1 : 3)
        else if (what === 'wait') ground.clock.advance(IDLE_MS)
        else change(ground, each)
      }
      ground.settle()
      for (const text of waiting) assert.ok(ground.woken.includes(text), text)
      assertLikeStore(ground)
    }),
    { seed: 1, numRuns: casesOf(1000) }
  )
})

// What was known and is now otherwise has been said to be stale.
function hearAndCompare(ground: Ground, n: number, count: number): void {
  const { view, stale } = ground
  const ports = PORTS.map(id => view.port(id))
  const boxes = BOXES.map(id => view.device('bridge', id) as Box | null | undefined)
  const reads = boxes.map(box => box?.read)
  stale.length = 0
  view.together(() => Array.from({ length: count }, (_, i) => ground.deliver(n + i)))
  for (const [i, before] of ports.entries()) {
    const now = view.port(PORTS[i]!)
    const known = before !== null && before !== undefined
    if (known && (now === null || now === undefined)) {
      assert.ok(stale.includes(before.tag) && stale.includes(before.egress))
    } else if (known && told(now!) !== told(before)) assert.ok(stale.includes(before.tag))
  }
  for (const [i, before] of boxes.entries()) {
    const now = view.device('bridge', BOXES[i]!) as Box | null | undefined
    const known = before !== null && before !== undefined
    if (known ? now?.read !== reads[i] : before === null && now !== null)
      assert.ok(stale.includes(deviceTag(BOXES[i]!)))
    if (known && now !== before) assert.ok(before.closed)
  }
}

const told = (port: Port): string =>
  `${port.number} ${port.device} ${port.peer} ${port.adminStateUp}`

function assertLikeStore(ground: Ground): void {
  const { view, objects } = ground
  for (const id of PORTS) void view.port(id)
  for (const id of BOXES) void view.device('bridge', id)
  ground.settle()
  const truth = (id: string): PortModel | undefined =>
    objects.get(`port/${id}`)?.value as PortModel | undefined
  for (const id of PORTS) {
    const port = view.port(id)
    const model = truth(id)
    assert.equal(port === null, model === undefined)
    if (port === null || model === undefined) continue
    assert.deepEqual(
      [port!.number, port!.device, port!.peer, port!.adminStateUp],
      [model.number, model.device, model.peer ?? null, model.adminStateUp]
    )
  }
  for (const id of BOXES) {
    const box = view.device('bridge', id) as Box | null
    const name = objects.get(`bridge/${id}`)?.value.name
    assert.equal(box === null, name === undefined)
    if (box === null) continue
    assert.ok(!box.closed)
    const ports = PORTS.filter(port => truth(port)?.device === id).map(port => {
      const { number, peer } = truth(port)!
      return `${port} ${number} ${peer === undefined ? '-' : (truth(peer)?.number ?? 'none')}`
    })
    assert.equal(box.read, [name, ...ports].join())
  }
}

// --- activity ------------------------------------------------------------------------------------

const BOUND = { id: 'p0', number: 1, type: 'bridge', device: 'd0', host: 'h1', interface: 'tap0' }

function activity() {
  const ground = new Ground()
  void ground.view.port('p0')
  ground.put('port', BOUND)
  ground.settle()
  let version = 0
  // Undefined: whoever spoke for it is gone; '': it is down.
  const say = (what: string | undefined, of = 'h1'): void => {
    const entry = { key: 'p0', value: what ?? '', owner: 'other', version: ++version }
    const event = what === undefined ? { op: 'delete' as const, key: 'p0' } : undefined
    ground.view.applyTable(activeTable(of), [event ?? { op: 'put', entry }], false)
  }
  return { ground, say, isActive: () => ground.view.port('p0')!.active }
}

test('a bound port is active while its own host says so, and others do not count', () => {
  const { ground, say, isActive } = activity()
  ground.view.applyTable(activeTable('h1'), [], true)
  ground.clock.advance(30_000)
  say('h2', 'h2')
  assert.equal(isActive(), false)
  ground.stale.length = 0
  say('h1')
  assert.equal(isActive(), true)
  assert.deepEqual(ground.stale, [egressTag('p0')])
  say('', 'h2')
  ground.put('port', { ...BOUND, host: 'h2' })
  ground.settle()
  assert.equal(isActive(), false)
  say('h2', 'h2')
  assert.equal(isActive(), true)
})

test('to a new view an agent that says nothing may be back within thirty seconds', () => {
  const { ground, say, isActive } = activity()
  assert.equal(isActive(), true)
  say('')
  assert.equal(isActive(), false)
  const silent = activity()
  silent.ground.clock.advance(30_000)
  assert.equal(silent.isActive(), false)
  silent.say('h1')
  assert.equal(silent.isActive(), true)
  ground.clock.advance(60_000)
  assert.equal(isActive(), false)
})

test('the word of an agent that is gone stands for thirty seconds', () => {
  const { ground, say, isActive } = activity()
  say('h1')
  say(undefined)
  ground.clock.advance(29_999)
  assert.equal(isActive(), true)
  ground.clock.advance(1)
  assert.equal(isActive(), false)
  say('h1')
  say(undefined)
  ground.clock.advance(20_000)
  say('h1') // the next agent
  ground.clock.advance(60_000)
  assert.equal(isActive(), true)
})

// --- letting go ----------------------------------------------------------------------------------

function loaded(host = '') {
  const ground = new Ground(host)
  for (const [i, box] of BOXES.entries()) {
    ground.put('bridge', { id: box, name: box })
    const common = { number: i + 1, type: 'bridge', device: box, host: 'h1', interface: 'tap0' }
    ground.put('port', { id: PORTS[i]!, ...common })
    ground.put('port', { id: PORTS[i + 2]!, number: i + 3, type: 'bridge', device: box })
  }
  const walk = (box: string): Box => {
    void ground.view.port(PORTS[BOXES.indexOf(box)]!)
    if (ground.view.device('bridge', box) === undefined) ground.settle()
    return ground.view.device('bridge', box) as Box
  }
  return { ground, walk }
}

test('what no walk meets for ten minutes is let go, with all it needed, and comes again', () => {
  const { ground, walk } = loaded()
  const [idle, used] = BOXES.map(walk)
  const before = ground.view.known()
  for (let minute = 0; minute < 12; minute++) {
    walk('d1')
    ground.clock.advance(60_000)
  }
  ground.settle()
  assert.ok(idle!.closed && ground.stale.includes(deviceTag('d0')))
  assert.equal(walk('d1'), used)
  const after = ground.view.known()
  assert.deepEqual([after.ports, after.devices, after.letGo], [2, 1, 1])
  assert.ok(after.interests < before.interests)
  ground.put('bridge', { id: 'd0', name: 'another name' })
  assert.match(walk('d0').read, /^another name,p0 1/)
  assert.equal(ground.view.known().ports, before.ports)
})

test('devices with ports of our own stay, and those that are busy', () => {
  for (const stays of ['ours', 'busy']) {
    const { ground, walk } = loaded(stays === 'ours' ? 'h1' : '')
    const box = walk('d0')
    box.isBusy = stays === 'busy'
    ground.clock.advance(IDLE_MS)
    ground.settle()
    assert.equal(box.closed, false, stays)
    assert.equal(ground.view.known().devices, 1)
  }
})

test('a kind nobody brings to life does not exist', () => {
  assert.equal(new Ground().view.device('gargoyle', 'd0'), null)
})
