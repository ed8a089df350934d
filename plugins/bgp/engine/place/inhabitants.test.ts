// What lives in a namespace is asked to end, then killed; what does not end even so is named, and
// nobody waits for it any longer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemClock, VirtualClock } from '../../../../src/core/clock.ts'
import { openLog } from '../../../../src/core/log.ts'
import { endAll } from './inhabitants.ts'

const turns = () => new Promise<void>(done => new SystemClock().soon(done))

/** Programs, of which each ends by the words that it heeds. */
function ground(heeds: ReadonlyMap<number, readonly string[]>) {
  const there = new Set(heeds.keys())
  const told: string[] = []
  const lines: string[] = []
  const clock = new VirtualClock()
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const those = {
    find: async () => new Set(there),
    tell: (pid: number, word: string) => {
      if (told.at(-1) !== `${pid} ${word}`) told.push(`${pid} ${word}`)
      if (heeds.get(pid)?.includes(word)) there.delete(pid)
    }
  }
  // Time goes on until it is over; 60 s are more than anybody waits.
  const end = async (): Promise<boolean | 'waits'> => {
    let result: boolean | 'waits' = 'waits'
    void endAll(those, { clock, log }).then(isOver => {
      result = isOver
    })
    for (let i = 0; i < 1200 && result === 'waits'; i++) {
      await turns()
      clock.advance(50)
    }
    return result
  }
  return { end, told, lines, clock }
}

test('one that is asked may go by itself, and nobody is killed then', async () => {
  const { end, told, clock } = ground(new Map([[7, ['SIGTERM']]]))
  assert.equal(await end(), true)
  assert.deepEqual([told, clock.waiting], [['7 SIGTERM'], 0])
})

test('one that does not heed it is killed', async () => {
  const { end, told, lines } = ground(new Map([[7, ['SIGKILL']]]))
  assert.equal(await end(), true)
  assert.deepEqual([told, lines], [['7 SIGTERM', '7 SIGKILL'], []])
})

test('one that does not end though it was killed is named once, and left', async () => {
  const { end, lines, clock } = ground(
    new Map([
      [process.pid, []],
      [7, ['SIGKILL']]
    ])
  )
  assert.equal(await end(), false)
  assert.equal(lines.length, 1)
  const { left, msg } = JSON.parse(lines[0]!) as {
    left: { pid: number; name: string }[]
    msg: string
  }
  assert.match(msg, /do not end/)
  assert.deepEqual(
    left.map(({ pid }) => pid),
    [process.pid]
  )
  assert.notEqual(left[0]?.name, '')
  assert.equal(clock.waiting, 0)
})
