// Who may import whom (docs: architecture, rooms). Lower rooms never look up; npm libraries and
// `node:` modules enter only where they are named here. A new room is a new row.

import { dirname, join, normalize } from 'node:path/posix'
import type { Import } from './scan.ts'

interface Room {
  /** Rooms below it, its own aside. */
  readonly rooms: readonly string[]
  /** Outside modules: 'node:', npm names, or '*' for any. */
  readonly outside: readonly string[]
}

const below = ['wire', 'core', 'flow'] as const

export const rooms: Readonly<Record<string, Room>> = {
  wire: { rooms: [], outside: [] },
  core: { rooms: [], outside: ['*'] },
  flow: { rooms: ['wire', 'core'], outside: [] },
  state: { rooms: below, outside: ['node:', 'cassandra-driver'] },
  simulation: { rooms: [...below, 'state'], outside: [] },
  topology: {
    rooms: [...below, 'state', 'simulation'],
    outside: ['node:', 'typebox', 'node-zookeeper-client']
  },
  // The addon's only door. It keeps and exchanges flow state by the contracts of that room.
  native: { rooms: [...below, 'state'], outside: ['node:'] },
  datapath: { rooms: [...below, 'native'], outside: ['node:'] },
  // One host's packet side: it knows no thread and no store.
  host: { rooms: [...below, 'simulation', 'state', 'topology', 'datapath', 'plugin'], outside: [] },
  agent: {
    rooms: [
      ...below,
      ...['simulation', 'state', 'topology', 'datapath', 'native', 'host', 'plugin', 'resource']
    ],
    outside: ['node:', 'typebox']
  },
  api: { rooms: ['wire', 'core', 'topology', 'agent'], outside: ['*'] },
  // The plugins' doors let through what plugins may use: alive in a worker, or as data.
  plugin: { rooms: [...below, 'simulation', 'state', 'topology', 'agent'], outside: [] },
  resource: { rooms: ['wire', 'core', 'topology'], outside: ['typebox'] },
  control: { rooms: [...below, 'topology', 'agent'], outside: [] },
  // Namespaces, virtual machines and streams, for the demo, the tests and the benchmarks.
  lab: { rooms: ['wire', 'core'], outside: ['node:'] },
  demo: {
    rooms: ['wire', 'core', 'state', 'topology', 'agent', 'api', 'resource', 'lab', 'main'],
    outside: ['node:', 'fastify', 'typebox']
  },
  // Puts the program together, so it sees all of it.
  main: { rooms: ['*'], outside: ['*'] }
}

/** What is wrong with an import, or nothing. */
export function checkImport(path: string, { from }: Import): string | undefined {
  if (isTest(path)) return undefined
  if (isForTests(path, from)) return `${from} is for tests; product code does without`
  if (roomOf(path) === 'main') return undefined
  if (!from.startsWith('.')) return checkOutside(path, from)
  if (!/\.(ts|mjs|json)$/.test(from)) return `import ${from} must name its file: end it in .ts`
  const target = normalize(join(dirname(path), from))
  return path.startsWith('plugins/') ? checkPlugin(path, target) : checkRoom(path, target)
}

const isTest = (path: string): boolean =>
  path.endsWith('.test.ts') || !/^(src|plugins)\//.test(path)

const isForTests = (path: string, from: string): boolean =>
  from.startsWith('.') && /^test\/|\.test\.ts$/.test(normalize(join(dirname(path), from)))

export function roomOf(path: string): string {
  return /^src\/([\w-]+)/.exec(path)?.[1] ?? ''
}

function checkRoom(path: string, target: string): string | undefined {
  const from = roomOf(path)
  const to = roomOf(target)
  const room = rooms[from]
  if (room === undefined) return `src/${from} is no room; rooms are ${Object.keys(rooms)}`
  if (from === to || room.rooms.includes(to)) return undefined
  return `src/${from} may import ${list(room.rooms)}, not ${target}`
}

function checkPlugin(path: string, target: string): string | undefined {
  const own = path.split('/').slice(0, 2).join('/')
  if (target === 'src/plugin.ts' || target.startsWith(`${own}/`)) return undefined
  if (target === 'src/resource.ts') return checkData(path, 'src/resource.ts')
  if (target === 'src/control.ts') return checkControl(path)
  if (/^plugins\/[\w-]+\/token\.ts$/.test(target)) return undefined
  return `a plugin may import src/plugin.ts, its own folder and another's token.ts, not ${target}`
}

// What may wait and start programs stays out of packet threads.
const isControl = (path: string): boolean =>
  /^plugins\/[\w-]+\/(?:control|(?:control|engine)\/(?:[\w-]+\/)*[\w-]+)\.ts$/.test(path)

const checkControl = (path: string): string | undefined =>
  isControl(path)
    ? undefined
    : 'src/control.ts is for control.ts, control/ and engine/; packet threads load the rest'

// Packet workers never load the schema library (34 MB a thread): it stays in the files of data.
const isData = (path: string): boolean => /\/(?:resources|models?|settings)\.ts$/.test(path)

const checkData = (path: string, what: string): string | undefined =>
  isData(path)
    ? undefined
    : `${what} is for resources.ts, model.ts and settings.ts; workers load the rest`

function checkOutside(path: string, from: string): string | undefined {
  const plugin = path.startsWith('plugins/')
  const where = plugin ? 'a plugin' : `src/${roomOf(path)}`
  const inPlugin = isControl(path) ? ['typebox', 'node:'] : ['typebox']
  const allowed = plugin ? inPlugin : (rooms[roomOf(path)]?.outside ?? [])
  if (plugin && /^typebox(?:\/|$)/.test(from)) return checkData(path, from)
  const named = allowed.some(name =>
    name === 'node:' ? from.startsWith(name) : `${from}/`.startsWith(`${name}/`)
  )
  if (named || allowed.includes('*')) return undefined
  return `${where} may import ${list(allowed)} from outside, not ${from}`
}

const list = (names: readonly string[]): string => (names.length > 0 ? names.join(', ') : 'nothing')
