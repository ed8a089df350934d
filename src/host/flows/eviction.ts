// Which flows go when the table is nearly full.  The interfaces with most flows are brought down
// to one level, so that a port that floods with new flows makes room for itself; of an interface,
// those unused for longest go.  Sorting a quarter of a million flows would stop packets for a
// third of a second: in a long list a sample says what is long.

import { Word } from '../../flow/key.ts'
import type { FlowCache } from './flow-cache.ts'

const SORTED_MAX = 1024

/** At least `want` flow ids, if there are so many. */
export function leastUseful(cache: FlowCache, want: number): number[] {
  const byPort = new Map<number, number[]>()
  for (const id of cache.table.ids()) {
    const port = cache.table.word(id, Word.inPort)
    const ids = byPort.get(port)
    if (ids === undefined) byPort.set(port, [id])
    else ids.push(id)
  }
  const groups = [...byPort.values()].sort((a, b) => b.length - a.length)
  const level = levelFor(groups, want)
  const gone: number[] = []
  for (const ids of groups) {
    if (ids.length <= level) break
    for (const id of oldest(cache, ids, ids.length - level)) gone.push(id)
  }
  return gone
}

// How many flows each interface may keep so that `want` go.  The longest list comes first.
function levelFor(groups: readonly (readonly number[])[], want: number): number {
  let above = 0
  for (let i = 0; i < groups.length; i++) {
    above += groups[i]!.length
    const next = groups[i + 1]?.length ?? 0
    if (above - (i + 1) * next >= want) return Math.max(0, Math.floor((above - want) / (i + 1)))
  }
  return 0
}

function oldest(cache: FlowCache, ids: readonly number[], want: number): number[] {
  const used = (id: number): number => cache.get(id)!.usedMs
  const step = Math.ceil(ids.length / SORTED_MAX)
  const sample = ids.filter((_, i) => i % step === 0).sort((a, b) => used(a) - used(b))
  const last = Math.min(sample.length - 1, Math.ceil((want / ids.length) * sample.length) - 1)
  if (step === 1) return sample.slice(0, want)
  const until = used(sample[last]!)
  const gone: number[] = []
  for (const id of ids) if (gone.length < want && used(id) <= until) gone.push(id)
  return gone
}
