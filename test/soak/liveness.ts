// `npm run liveness [-- --minutes N] [--hosts N] [--uplinks] [--json]`: hosts that listen for each
// other's heartbeats while every core of the machine computes, and whether one is ever taken for
// dead.  At the end one is killed, several times over, and the time is printed until the others
// know.  With --uplinks, of gateways that speak BGP with BFD instead: uplinks.ts.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { optionsOf } from '../options.ts'
import { burn, load, report } from './machine.ts'
import { uplinks } from './uplinks.ts'

export type Said =
  | { is: 'liveness'; of: number; host: boolean; agent: boolean }
  | { is: 'joined'; of: number }
  | { is: 'counters'; of: Record<string, number> }

const KILLS = 10
const PATIENCE_MS = 20_000
const clock = new SystemClock()

const { flags, numbers } = optionsOf(['json', 'uplinks'], { minutes: 10, hosts: 3 })
const { minutes, hosts: count } = numbers
// Two runs on one machine do not hear each other.
const BASE = (127 << 24) | ((1 + (process.pid % 250)) << 16) | (((process.pid >> 8) & 127) << 8)

class Host {
  readonly word: number
  readonly hostsLost: number[] = [] // of others, as this one sees it
  readonly departures: number[] = [] // of their agents only
  readonly joined = new Set<number>()
  readonly #process: ChildProcess
  #counters: ((of: Record<string, number>) => void) | null = null
  heard: (said: Said) => void = () => {}

  constructor(word: number) {
    this.word = word
    const file = fileURLToPath(new URL('liveness-host.ts', import.meta.url))
    this.#process = fork(file, [word, count, BASE].map(String))
    this.#process.on('message', (said: Said) => this.#hear(said))
  }

  counters(): Promise<Record<string, number>> {
    return new Promise(done => {
      this.#counters = done
      this.#process.send('counters')
    })
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  #hear(said: Said): void {
    if (said.is === 'joined') this.joined.add(said.of)
    else if (said.is === 'counters') this.#counters?.(said.of)
    else if (!said.host) this.hostsLost.push(said.of)
    else if (!said.agent) this.departures.push(said.of)
    this.heard(said)
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = clock.now() + PATIENCE_MS
  while (!isSo()) {
    if (clock.now() > deadlineMs) throw new Error(`waited in vain: ${what}`)
    await sleep(clock, 5)
  }
}

const met = (hosts: readonly Host[]): boolean =>
  hosts.every(({ joined }) => joined.size === count - 1)

// Its kernel goes on answering, as one does whose agent has died: the word is of the agent.
async function killed(hosts: Host[]): Promise<number> {
  const victim = hosts.pop()!
  const others = [...hosts]
  const left = new Set(others)
  const startMs = clock.now()
  let noticedMs = 0
  for (const other of others) {
    other.joined.delete(victim.word)
    other.heard = said => {
      if (said.is !== 'liveness' || said.of !== victim.word || said.agent) return
      left.delete(other)
      noticedMs = clock.now() - startMs
    }
  }
  victim.kill()
  await until('a death is noticed', () => left.size === 0)
  for (const other of others) other.heard = () => {}
  hosts.push(new Host(victim.word))
  await until('it is back', () => met(hosts))
  return noticedMs
}

async function run(): Promise<boolean> {
  const hosts = Array.from({ length: count }, (_, i) => new Host(i + 1))
  let cool = (): void => {}
  try {
    await until('all have met', () => met(hosts))
    cool = burn()
    await sleep(clock, minutes * 60_000)
    const counters = await Promise.all(hosts.map(host => host.counters()))
    const sum = (name: string): number => counters.reduce((all, of) => all + (of[name] ?? 0), 0)
    const seen = {
      ...{ minutes, hosts: count, load: load(), realtime: sum('realtime') },
      heartbeats: sum('received-heartbeat'),
      false_losses: hosts.reduce((all, { hostsLost }) => all + hostsLost.length, 0),
      false_departures: hosts.reduce((all, { departures }) => all + departures.length, 0)
    }
    const noticed_ms: number[] = []
    for (let i = 0; i < KILLS; i++) noticed_ms.push(Math.round(await killed(hosts)))
    report({ ...seen, noticed_ms: noticed_ms.sort((a, b) => a - b) }, flags.json)
    return seen.false_losses + seen.false_departures === 0
  } finally {
    cool()
    for (const host of hosts) host.kill()
  }
}

if (import.meta.main) {
  const isQuiet = await (flags.uplinks ? uplinks(minutes, flags.json) : run())
  process.exitCode = isQuiet ? 0 : 1
}
