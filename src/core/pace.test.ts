// Long work lets others have their turn, and only when it has been long.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, SystemClock } from './clock.ts'
import { Pace } from './pace.ts'

/** The machine's clock, but for the time, which a test sets. */
function clockAt(): Clock & { ms: number } {
  const real = new SystemClock()
  return {
    ms: 0,
    now() {
      return this.ms
    },
    wall: () => real.wall(),
    soon: fire => real.soon(fire),
    after: (delayMs, fire) => real.after(delayMs, fire)
  }
}

test('within a stretch nobody else has a turn; after it, everybody who waits', async () => {
  const clock = clockAt()
  const pace = new Pace(clock)
  const turns: string[] = []
  clock.soon(() => turns.push('other'))
  await pace.breathe()
  clock.ms = 3
  await pace.breathe()
  assert.deepEqual(turns, [])
  clock.ms = 4
  await pace.breathe()
  assert.deepEqual(turns, ['other'])
})

test('each rest begins a new stretch', async () => {
  const clock = clockAt()
  const pace = new Pace(clock)
  let turns = 0
  clock.ms = 4
  await pace.breathe()
  clock.soon(() => turns++)
  clock.ms = 7
  await pace.breathe()
  assert.equal(turns, 0)
  clock.ms = 8
  await pace.breathe()
  assert.equal(turns, 1)
})
