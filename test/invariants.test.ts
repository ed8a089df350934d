// Book-keeping that is asked for what it does not hold says so, and the process ends: it goes on
// with no count that has wrapped and no chain that leads nowhere (core/assert.ts).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BrokenInvariant } from '../src/core/assert.ts'
import { VirtualClock } from '../src/core/clock.ts'
import { CounterTable } from '../src/core/counters.ts'
import { ActionChunks } from '../src/datapath/ebpf/chunks.ts'
import { MaskSlots } from '../src/datapath/ebpf/masks.ts'
import { ActionList } from '../src/flow/actions.ts'
import { WORDS } from '../src/flow/key.ts'
import { FlowTable } from '../src/flow/table.ts'
import { deviceTag } from '../src/flow/tag.ts'
import { TagIndex } from '../src/flow/tag-index.ts'
import { HoldQueue } from '../src/host/packets/hold-queue.ts'
import { Holders } from '../src/state/holders.ts'
import { SaveQueue } from '../src/state/storage/queue.ts'

const broken: readonly (readonly [what: string, misuse: () => void])[] = [
  [
    'flows under a mask: 1 taken of 0',
    () => {
      const masks = new MaskSlots(() => {})
      const slot = masks.acquire(new Int32Array(WORDS).fill(-1), 0)
      masks.release(slot)
      masks.release(slot)
    }
  ],
  [
    'a chunk is given back once',
    () => {
      const chunks = new ActionChunks(2, () => {})
      chunks.reset()
      chunks.release(chunks.store(new Int32Array(64), 0, 1))
      chunks.release(1)
    }
  ],
  [
    'a flow is added once',
    () => {
      const index = new TagIndex()
      for (const device of ['a', 'b']) index.add(1, [deviceTag(device)])
    }
  ],
  [
    'a flow is found where its key says',
    () => {
      const table = new FlowTable(8)
      const id = table.add(new Int32Array(WORDS).fill(7), 0, new Int32Array(WORDS).fill(-1))
      table.keys.fill(8, id * WORDS, id * WORDS + WORDS)
      table.remove(id)
    }
  ],
  ['records of a port: 1 taken of 0', () => new Holders().letGo(1)],
  ['no more batches leave than wait', () => new SaveQueue(1000).drop(1)],
  [
    'a ticket holds one burst',
    () => {
      const queue = new HoldQueue(new CounterTable(), new VirtualClock())
      for (let burst = 0; burst < 2; burst++) {
        queue.hold(packet)
        queue.close(1)
      }
    }
  ]
]

const waiting = { frame: new Uint8Array(60), key: new Int32Array(WORDS), ifindex: 1, reason: 0 }
const packet = {
  waiting: { ...waiting, gsoSize: 0, port: '', deadline: 0 },
  actions: new ActionList(1),
  ...{ id: 0, flow: undefined, group: '' }
}

for (const [what, misuse] of broken)
  test(`the process ends where this does not hold: ${what}`, () => {
    assert.throws(misuse, new BrokenInvariant(what))
  })
