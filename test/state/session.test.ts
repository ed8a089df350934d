// Sessions between two hosts under an attacker who keeps everything and plays it when he likes,
// with losses and restarts: no message ever counts twice, and when he stops, both agree.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Random, SeededRandom } from '../../src/core/random.ts'
import { type Header, MessageType } from '../../src/state/exchange/message.ts'
import { type Greeting, REPLAY_WINDOW, Serials, Session } from '../../src/state/exchange/session.ts'
import { casesOf } from '../cases.ts'

fc.configureGlobal({ seed: 20_260_113 })

const HELLO = MessageType.hello
const HEARTBEAT = MessageType.heartbeat

// One host's end: a session, and what it puts on the wire.
class End {
  session: Session
  readonly accepted = new Set<Header>()
  readonly #random: Random
  readonly #say: (message: Header) => void

  constructor(random: Random, say: (message: Header) => void) {
    this.#random = random
    this.#say = say
    this.session = new Session(random)
  }

  restart(): void {
    this.session = new Session(this.#random)
  }

  // As every heartbeat.
  beat(): void {
    if (this.session.isUp) this.#send(HEARTBEAT, this.session)
    else this.#send(HELLO, this.session.greeting)
  }

  hear(message: Header): void {
    const judgement = this.session.judge(message)
    if (judgement === 'member' || judgement === 'begins') {
      assert.ok(!this.accepted.has(message), 'a message counts once')
      this.accepted.add(message)
      if (judgement === 'begins' && message.type === HELLO) this.#send(HEARTBEAT, this.session)
    } else if (judgement !== 'replayed') {
      const answer = this.session.answer(message)
      if (answer !== undefined) this.#send(HELLO, answer)
    }
  }

  #send(type: number, { own, theirs }: Greeting): void {
    const sequence = this.session.nextSequence()
    this.#say({ type, sender: 0, receiver: 0, own, theirs, sequence })
  }
}

class Wire {
  readonly everything: [Header[], Header[]] = [[], []] // by whom it is for
  readonly ends: [End, End]
  #delivered: [number, number] = [0, 0]

  constructor(seed: number) {
    const random = new SeededRandom(seed)
    this.ends = [0, 1].map(i => {
      return new End(random, message => this.everything[1 - i]!.push(message))
    }) as [End, End]
  }

  play(to: number, message: number): void {
    const all = this.everything[to]!
    if (all.length > 0) this.ends[to]!.hear(all[message % all.length]!)
  }

  /** What was said and not delivered gets lost. */
  lose(): void {
    this.#delivered = [this.everything[0].length, this.everything[1].length]
  }

  /** Both beat, and everything is delivered, what it brings about as well. */
  round(): void {
    for (const end of this.ends) end.beat()
    for (let again = true, turns = 0; again; turns++) {
      assert.ok(turns < 50, 'they go on answering each other')
      again = false
      for (const to of [0, 1] as const)
        while (this.#delivered[to] < this.everything[to].length) {
          this.ends[to].hear(this.everything[to][this.#delivered[to]++]!)
          again = true
        }
    }
  }

  get agree(): boolean {
    const [a, b] = this.ends.map(({ session }) => session)
    return a!.isUp && a!.own === b!.theirs && a!.theirs === b!.own
  }
}

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ what: fc.constant('play'), at: fc.nat(1), n: fc.nat(999) }) },
  { weight: 4, arbitrary: fc.record({ what: fc.constant('beat'), at: fc.nat(1), n: fc.nat(0) }) },
  { weight: 2, arbitrary: fc.record({ what: fc.constant('round'), at: fc.nat(0), n: fc.nat(0) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      what: fc.constantFrom('restart', 'silence'),
      at: fc.nat(1),
      n: fc.nat(0)
    })
  }
)

test('nothing counts twice, and both agree in the end', () => {
  let begun = 0
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 120, size: 'max' }), (seed, steps) => {
      const wire = new Wire(seed)
      for (const { what, at, n } of steps) {
        const end = wire.ends[at]!
        if (what === 'play') wire.play(at, n)
        else if (what === 'beat') end.beat()
        else if (what === 'round') wire.round()
        else if (what === 'restart') end.restart()
        else end.session.end()
      }
      wire.lose()
      begun += wire.ends[0].accepted.size
      for (let i = 0; i < 2 && !wire.agree; i++) wire.round()
      // At worst each takes the other for somebody else, until it has been silent for too long.
      if (!wire.agree) for (const { session } of wire.ends) session.end()
      for (let i = 0; i < 2 && !wire.agree; i++) wire.round()
      assert.ok(wire.agree)
      wire.round()
      assert.ok(wire.agree, 'and stay so')
    }),
    { numRuns: casesOf(1500) }
  )
  assert.ok(begun > 1500, `only ${begun} messages counted`)
})

test('in a session, whatever was ever said changes nothing', () => {
  fc.assert(
    fc.property(fc.nat(), fc.array(step, { maxLength: 60, size: 'max' }), (seed, steps) => {
      const wire = new Wire(seed)
      for (const { what, at } of steps) {
        if (what === 'restart') wire.ends[at]!.restart()
        else if (what === 'silence') wire.ends[at]!.session.end()
        else if (what === 'round') wire.round()
        else wire.ends[at]!.beat()
      }
      for (let i = 0; i < 4; i++) wire.round()
      fc.pre(wire.agree)
      const before = wire.ends.map(({ session }) => session.own)
      for (const to of [0, 1] as const)
        for (const message of [...wire.everything[to]]) wire.ends[to].hear(message)
      wire.round()
      assert.deepEqual(
        wire.ends.map(({ session }) => session.own),
        before
      )
      assert.ok(wire.agree)
    }),
    { numRuns: casesOf(300) }
  )
})

test('the window takes each sequence once, in any order, as far back as it reaches', () => {
  const jumps = fc.array(fc.integer({ min: -5000, max: 5000 }), { maxLength: 400, size: 'max' })
  fc.assert(
    fc.property(jumps, list => {
      const session = new Session(new SeededRandom(1))
      const header = { type: HEARTBEAT, sender: 1, receiver: 2, own: 5n, theirs: session.fresh }
      let highest = 100_000
      assert.equal(session.judge({ ...header, sequence: highest }), 'begins')
      header.theirs = session.own
      const seen = new Set([highest])
      for (const jump of list) {
        const sequence = highest + (jump % 2 === 0 ? jump : jump % 64)
        const isOld = highest - sequence >= REPLAY_WINDOW
        const expected = isOld || seen.has(sequence) ? 'replayed' : 'member'
        assert.equal(session.judge({ ...header, sequence }), expected, `${sequence} of ${highest}`)
        seen.add(sequence)
        highest = Math.max(highest, sequence)
      }
    }),
    { numRuns: casesOf(300) }
  )
})

test('a serial is taken once, as far back as 64', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(300), { maxLength: 300, size: 'max' }), list => {
      const serials = new Serials()
      const seen = new Set<number>()
      let highest = 0
      for (const serial of list.map(n => n + 1)) {
        const isNew = !seen.has(serial) && serial > highest - 64
        assert.equal(serials.take(serial), isNew)
        seen.add(serial)
        highest = Math.max(highest, serial)
      }
    })
  )
})
