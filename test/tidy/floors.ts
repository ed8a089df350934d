// The floors of a folder: the longest chain of imports among what lies in it, a subfolder counting
// as one. What a file stands on is below it, so a folder of many floors is one that nobody can hold
// in his head. Counted twice: with what is there at run time alone, and with types too, where those
// that know each other in a circle share a floor. Tests aside; src itself is the house, whose rooms
// have the order of rooms.ts.

import { dirname } from 'node:path/posix'
import { arrows } from './arrows.ts'
import { scan } from './scan.ts'
import type { Source } from './tree.ts'

type Graph = ReadonlyMap<string, ReadonlySet<string>>

/** The longest chain of each folder of src/ and plugins/, from its top floor down. */
export function floors(sources: readonly Source[]): Map<string, readonly string[]> {
  const ours = sources.filter(({ path }) => /^(?:src|plugins)\/.*(?<!\.test)\.ts$/.test(path))
  const all = ours.flatMap(({ path, text }) =>
    arrows(path, scan(text)).map(({ to, when }) => ({ from: path, to, when }))
  )
  const runs = all.filter(({ when }) => when !== 'type')
  const folders = new Set(ours.flatMap(({ path }) => foldersOf(path)))
  return new Map(
    [...folders].map(folder => {
      const [drawn, running] = [all, runs].map(each => longest(graphOf(folder, each)))
      return [folder, running!.length > drawn!.length ? running! : drawn!]
    })
  )
}

// Above a file, up to the room or the plugin it is of.
function foldersOf(path: string): string[] {
  const folder = dirname(path)
  return folder.includes('/') ? [folder, ...foldersOf(folder)] : []
}

function graphOf(folder: string, all: readonly { from: string; to: string }[]): Graph {
  const graph = new Map<string, Set<string>>()
  const within = (path: string): string | undefined =>
    path.startsWith(`${folder}/`) ? path.slice(folder.length + 1).split('/')[0] : undefined
  for (const arrow of all) {
    const [from, to] = [within(arrow.from), within(arrow.to)]
    if (from === undefined || to === undefined || from === to) continue
    graph.set(from, (graph.get(from) ?? new Set()).add(to))
  }
  return graph
}

function longest(graph: Graph): string[] {
  const below = new Map([...graph.keys()].map(from => [from, reached(graph, from)]))
  const reaches = (a: string, b: string): boolean => below.get(a)?.has(b) === true
  const floorOf = (at: string): string[] =>
    reaches(at, at) ? [...below.get(at)!].filter(other => reaches(other, at)).sort() : [at]
  const chains = new Map<string, string[]>() // by the names of a floor
  const chainFrom = (at: string): string[] => {
    const floor = floorOf(at)
    const name = floor.join(' and ')
    const known = chains.get(name)
    if (known !== undefined) return known
    const next = floor.flatMap(each => [...(graph.get(each) ?? [])])
    const lower = next.filter(to => !floor.includes(to)).map(chainFrom)
    const chain = [name, ...longer(lower)]
    chains.set(name, chain)
    return chain
  }
  return longer([...graph.keys()].map(chainFrom))
}

const longer = (chains: readonly string[][]): string[] =>
  chains.reduce((best, each) => (each.length > best.length ? each : best), [])

/** Whatever an import leads to, over others too; itself when it is in a circle. */
function reached(graph: Graph, from: string): Set<string> {
  const found = new Set<string>()
  const visit = (at: string): void => {
    for (const to of graph.get(at) ?? []) {
      if (found.has(to)) continue
      found.add(to)
      visit(to)
    }
  }
  visit(from)
  return found
}
