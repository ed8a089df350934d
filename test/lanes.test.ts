// How the runner puts what it runs side by side.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SystemClock, sleep } from '../src/core/clock.ts'

interface Job {
  readonly computes: boolean
  run(): Promise<void>
}

interface Counts {
  readonly lanes: number
  readonly computing: number
  readonly computingLast?: number
}

type InLanes = (jobs: Job[], counts: Counts) => Promise<void>
type LabOrder = (files: string[]) => { file: string; computes: boolean }[]

const clock = new SystemClock()
const runner = `${import.meta.dirname}/runner`
const { inLanes }: { inLanes: InLanes } = await import(`${runner}/lanes.mjs`)
const { labOrder }: { labOrder: LabOrder } = await import(`${runner}/lab-order.mjs`)

/** Jobs that end when they are told to, and what runs. */
function ground(kinds: string) {
  const begun: string[] = []
  const ends = new Map<string, { end(): void; fail(error: Error): void }>()
  const jobs = [...kinds].map((kind, i): Job => {
    const name = `${kind}${i}`
    const run = () =>
      new Promise<void>((end, fail) => {
        begun.push(name)
        ends.set(name, { end, fail })
      })
    return { computes: kind === 'c', run }
  })
  const end = (name: string) => {
    ends.get(name)!.end()
    return sleep(clock, 0)
  }
  return { jobs, begun, ends, end }
}

test('jobs begin in their order, those that compute only so many at a time', async () => {
  const { jobs, begun, end } = ground('ccwww')
  const all = inLanes(jobs, { lanes: 3, computing: 1 })
  assert.deepEqual(begun, ['c0', 'w2', 'w3'])
  await end('w2')
  assert.deepEqual(begun.slice(3), ['w4'])
  await end('w4')
  await end('w3')
  assert.deepEqual(begun.length, 4) // a second one that computes waits for the first
  await end('c0')
  assert.deepEqual(begun.slice(4), ['c1'])
  await end('c1')
  await all
})

test('once nobody waits for a lane but those that compute, more of them run', async () => {
  const { jobs, begun, end } = ground('cccww')
  const all = inLanes(jobs, { lanes: 3, computing: 1, computingLast: 2 })
  assert.deepEqual(begun, ['c0', 'w3', 'w4'])
  await end('w3')
  assert.deepEqual(begun.slice(3), ['c1'])
  await end('w4')
  assert.equal(begun.length, 4)
  await end('c0')
  assert.deepEqual(begun.slice(4), ['c2'])
  await end('c1')
  await end('c2')
  await all
})

test('more lanes than jobs, and no job', async () => {
  const { jobs, end } = ground('w')
  const all = inLanes(jobs, { lanes: 4, computing: 1 })
  await end('w0')
  await all
  await inLanes([], { lanes: 4, computing: 1 })
})

test('a job that throws ends the run: no other begins', async () => {
  const { jobs, begun, ends, end } = ground('www')
  const all = inLanes(jobs, { lanes: 2, computing: 1 })
  ends.get('w0')!.fail(new Error('broken'))
  await assert.rejects(all, /broken/)
  await end('w1')
  assert.deepEqual(begun, ['w0', 'w1'])
})

test('files of the lab that are not named come last, in their order', () => {
  const files = ['test/lab/a.test.ts', 'test/lab/demo.test.ts', 'test/lab/oracle.test.ts']
  assert.deepEqual(labOrder([...files, 'test/lab/b.test.ts']), [
    { file: files[1], computes: true },
    { file: files[2], computes: true },
    { file: files[0], computes: false },
    { file: 'test/lab/b.test.ts', computes: false }
  ])
})
