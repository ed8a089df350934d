// The packet thread: one worker, one host, its own event loop.  The store, the API and everything
// that may stall live on the main thread; here only packets, interface events and the batches of
// topology that the main thread sends.

import { getHeapStatistics } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { SystemClock, type Timer } from '../../core/clock.ts'
import { CounterTable } from '../../core/counters.ts'
import { reasonOf } from '../../core/errors.ts'
import { type LogLevel, openLog } from '../../core/log.ts'
import { SystemRandom } from '../../core/random.ts'
import { settleMemory } from '../../core/settle.ts'
import { Host } from '../../host/host.ts'
import { flowTexts, trace } from '../../host/show/explain.ts'
import { type StateText, stateTexts } from '../../host/show/state-list.ts'
import { hostHash } from '../../state/record.ts'
import { parseIpv4 } from '../../wire/address.ts'
import type { Call, FromThread, JudgedInterface, ThreadSettings, ToThread } from '../messages.ts'
import { loadPlugins } from '../plugins.ts'
import { openPlatform } from './platform.ts'
import { STATE_TUNNEL_KEY, ThreadState } from './thread-state.ts'

const COUNTERS_MS = 500 // how often the main thread hears of our counters

const settings = workerData as ThreadSettings
const main = parentPort!
const clock = new SystemClock()
const counters = new CounterTable()
const rooms = settings.debug?.trace === true ? { datapath: 'info' as const } : {}
const log = openLog({ level: settings.logLevel as LogLevel, rooms }).room('agent')
const outgoing: FromThread[] = []

function send(message: FromThread): void {
  outgoing.push(message)
  if (outgoing.length === 1) clock.soon(post)
}

function post(): void {
  if (outgoing.length > 0) main.postMessage(outgoing.splice(0))
}

const platform = await openPlatform(settings, { clock, log, send })
const random = new SystemRandom()
const { datapath: kind, host, state } = settings
const address = kind.kind === 'memory' ? parseIpv4(kind.address) : 0
const { stateKinds: kinds } = settings.assembly
const stateParts = { host, settings: state, kinds, clock, random, send, address }
const threadState = new ThreadState(stateParts, platform.native)
const packetSide = new Host({
  host: settings.host,
  plugins: await loadPlugins(settings.places),
  settings: settings.plugins,
  assembly: settings.assembly,
  datapath: platform.datapath,
  watcher: platform.watcher,
  link: {
    session: settings.session,
    want: interest => send({ is: 'want', interest }),
    unwant: interest => send({ is: 'unwant', interest }),
    put: (table, key, value) => send({ is: 'put', table, key, value }),
    remove: (table, key) => send({ is: 'remove', table, key })
  },
  leases: {
    ask: asked => send({ is: 'lease', asked }),
    release: (pool, block) => send({ is: 'release', pool, block })
  },
  clock,
  random,
  counters,
  log,
  maintenance: settings.maintenance,
  state: threadState.parts,
  bindings: settings.bindings,
  prefetch: true
})

tell('datapath', () => platform.datapath.counters())
tell('exchange', () => packetSide.replication.exchange?.counters() ?? {})
tell('agent', () => {
  const { used_heap_size, external_memory } = getHeapStatistics()
  return { 'heap-bytes': used_heap_size, 'external-bytes': external_memory }
})

// Numbers that are read all at once, at most once a report.
function tell(room: string, read: () => Record<string, number>): void {
  let last = read()
  let readMs = clock.now()
  const fresh = (): Record<string, number> => {
    if (clock.now() - readMs > COUNTERS_MS / 10) {
      last = read()
      readMs = clock.now()
    }
    return last
  }
  for (const name of Object.keys(last)) counters.gauge(`${room}.${name}`, () => fresh()[name] ?? 0)
}

// What has come by the next turn is taken in together: the answers to what a large device asked for
// come in many messages.
const inbox: ToThread[] = []
main.on('message', (messages: readonly ToThread[]) => {
  const isFirst = inbox.length === 0
  for (const message of messages) inbox.push(message)
  if (isFirst) clock.soon(takeIn)
})

function takeIn(): void {
  packetSide.view.together(() => {
    for (const message of inbox.splice(0)) received(message)
  })
}

// After a stop further messages, even of the same batch, are ignored.
let isStopping = false

function received(message: ToThread): void {
  if (isStopping) return
  switch (message.is) {
    case 'events':
      return packetSide.view.apply(message.key, message.events, message.ready)
    case 'table':
      return packetSide.view.applyTable(message.name, message.events, message.ready)
    case 'unwanted':
      return packetSide.view.unwanted(message.interest)
    case 'written':
      return packetSide.view.tableWritten(message.name, message.key)
    case 'leased':
      return packetSide.leases.answered(message.pool, message.block)
    case 'lease-lost':
      return packetSide.leases.lost(message.pool, message.block)
    case 'leases-lost':
      return packetSide.leases.lostAll()
    case 'state-key':
      return threadState.setKey(message.key)
    case 'loaded':
      packetSide.replication.imported(threadState.loaded(message.saved))
      return packetSide.replication.handover.loaded(message.port)
    case 'frame':
      return platform.memory?.input(message.interface, message.frame)
    case 'tunnelled':
      return tunnelled(message.key, message.src, message.frame)
    case 'call':
      void answer(message.id, message.call)
  }
}

// Beside a kernel it is sockets that take the messages of flow state.
function tunnelled(key: number, src: number, frame: Uint8Array): void {
  if (key === STATE_TUNNEL_KEY) threadState.receive(src, frame)
  else platform.memory?.fromUnderlay(key, src, frame)
}

async function answer(id: number, call: Call): Promise<void> {
  try {
    send({ is: 'answer', id, value: await answerTo(call) })
  } catch (error) {
    send({ is: 'failure', id, reason: reasonOf(error) })
  }
  if (call.name === 'stop') {
    post()
    main.close()
  }
}

async function answerTo(call: Call): Promise<unknown> {
  switch (call.name) {
    case 'flows':
      return flowTexts(packetSide, clock.now(), call.limit)
    case 'trace':
      return trace(packetSide, clock, call.port, call.frame)
    case 'interfaces':
      return judged()
    case 'state':
      return stateList(call)
    case 'peers':
      return packetSide.replication.peers.list()
    case 'status':
      return {
        unconfirmed: packetSide.maintenance.unconfirmed,
        bound: counters.value('agent.ports-bound'),
        active: packetSide.view.activePorts,
        dryRuns: packetSide.dryRuns
      }
    case 'counters':
      return counters.snapshot()
    case 'punt':
      return call.rules === null
        ? packetSide.punts.clear(call.port)
        : packetSide.punts.set(call.port, call.rules)
    case 'stop':
      isStopping = true
      reporting.cancel()
      settling.cancel()
      threadState.flush()
      return packetSide.stop(call.keep)
  }
}

function stateList({ limit, filter }: Extract<Call, { name: 'state' }>): Promise<StateText[]> {
  const { table, access } = packetSide.replication.flowState
  return stateTexts(table, access.kinds, clock, hostHash(settings.host), { ...filter, limit })
}

function judged(): JudgedInterface[] {
  return platform.watcher
    .list()
    .map(each => ({ ...each, refusal: packetSide.bindings.refusal(each) ?? null }))
}

let reporting: Timer = { cancel: () => {} }
let settling: Timer = reporting
function report(): void {
  send({ is: 'counters', snapshot: counters.snapshot() })
  reporting = clock.after(COUNTERS_MS, report)
}

await packetSide.start()
settling = settleMemory(clock, () => platform.trim())
send({ is: 'started' })
report()
