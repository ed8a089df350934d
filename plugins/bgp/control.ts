// The bgp plugin on the main thread: what uplink ports of this host are to speak, and how it is.
// test/lab/bgp.test.ts holds it.

import {
  Api,
  Clock,
  Counters,
  defineControl,
  Log,
  Notes,
  OtherHosts,
  PortActivity,
  Processes,
  Punt,
  Store,
  ThisHost
} from '../../src/control.ts'
import { Routes } from '../router/token.ts'
import { Gateway } from './control/gateway.ts'
import { statusOf, statusSchema } from './control/status.ts'
import { uplinkCounters } from './control/uplink.ts'
import { FrrEngine } from './engine/frr-engine.ts'
import type { BgpSettings } from './settings.ts'

// Hosts of one machine, as in a lab, have folders of their own.
const folderOf = (host: string): string => `/run/mezzo-bgp/${host.slice(0, 8)}`

export default defineControl({
  name: 'bgp',
  needs: {
    ...{ api: Api, clock: Clock, counters: Counters, host: ThisHost, log: Log, notes: Notes },
    ...{ others: OtherHosts, ports: PortActivity, processes: Processes, punt: Punt },
    ...{ routes: Routes, store: Store }
  },
  routes: [
    {
      method: 'GET',
      path: '',
      id: 'readBgp',
      summary: 'How BGP is on a host: what speaks, its ports, sessions, and what is announced.',
      answer: statusSchema
    }
  ],
  setup({ api, counters, notes, processes, ...given }, settings: BgpSettings) {
    const { clock, host, log } = given
    const { pollMs, drainTellMs: tellMs, services, withdrawAfterMs } = settings
    const counted = uplinkCounters(counters)
    const say = (all: readonly string[]): void => notes.say(all)
    let gateway: Gateway | null = null
    showGauges(counters, () => gateway?.uplinks ?? [])
    return {
      async start() {
        const folder = folderOf(host.id)
        const engine = await FrrEngine.make({ processes, clock, log, folder, withdrawAfterMs })
        log.info(engine.status, 'what speaks BGP for uplink ports')
        const told = { engine, pollMs, tellMs, services, say, counters: counted, damping: settings }
        const here = new Gateway({ ...given, ...told })
        gateway = here
        api.answer('readBgp', () => statusOf(here, engine))
        await here.start()
      },
      async stop() {
        await gateway?.stop()
      }
    }
  }
})

type Uplinks = () => Gateway['uplinks']
type Uplink = ReturnType<Uplinks>[number]
type Session = Uplink['sessions'][number]

function showGauges(counters: Counters, uplinks: Uplinks): void {
  const each = (name: string, read: (session: Session) => number, help: string): void => {
    const now = () => uplinks().flatMap(({ sessions }) => sessions)
    counters.gauges(name, 'peer', () => summed(now(), read), help)
  }
  each('bgp.session-up', ({ state }) => Number(state === 'established'), 'Sessions that are up')
  each('bgp.prefixes-received', each => each.prefixesReceived, 'Prefixes that a peer tells')
  each('bgp.prefixes-sent', each => each.prefixesSent, 'Prefixes that a peer is told')
  const all = (name: string, read: (uplink: Uplink) => number, help: string): void => {
    counters.gauge(name, () => uplinks().reduce((sum, each) => sum + read(each), 0), help)
  }
  all('bgp.routes', ({ routes }) => routes, 'Prefixes learned')
  all('bgp.default-routes', ({ defaults }) => defaults.length, 'Default routes among them')
  all('bgp.routes-refused', each => each.refusedCount, 'Those among them that are ours')
  all('bgp.networks-withheld', withheld, 'Networks that are not announced, at each port')
  const statics = () => uplinks().flatMap(({ statics }) => statics)
  const isUp = ({ state }: { state: string }) => Number(state === 'up' || state === 'unwatched')
  counters.gauges('bgp.static-up', 'uplink', () => summed(statics(), isUp), 'Static uplinks in use')
}

const withheld = ({ networks }: Uplink): number =>
  networks.filter(({ reasons }) => reasons.length > 0).length

// A peer that two ports of a host have is one line.
function summed<T extends { readonly name: string }>(
  sessions: readonly T[],
  read: (session: T) => number
) {
  const byName = new Map<string, number>()
  for (const each of sessions) byName.set(each.name, (byName.get(each.name) ?? 0) + read(each))
  return byName
}
