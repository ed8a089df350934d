// The kernel's datapath passes the conformance test: frames go in and out by veths, whose other
// ends a second datapath holds.

import { setTimeout as wait } from 'node:timers/promises'
import { ActionList } from '../../src/flow/actions.ts'
import { datapathConformance, type Rig, type RigOptions } from '../datapath/conformance.ts'
import { until } from './datapath-frames.ts'
import { Bench, canRun, Deputy } from './datapath-lab.ts'

const QUIET_MS = 50 // by then what is to come has come
const PORTS = 3

function openEbpf(options: RigOptions): Rig {
  const bench = new Bench()
  const [near, far] = ['conf-in', 'conf-out']
  bench.namespace(near, far)
  for (const name of [near, far]) bench.sh(name, 'sysctl -qw net.ipv6.conf.default.disable_ipv6=1')
  const all = Array.from({ length: PORTS }, (_, i) => i)
  for (const i of all) bench.veth({ in: far, name: `o${i}` }, { in: near, name: `i${i}` })
  const outside = bench.open(far, { creditsPerPort: 4096 })
  const datapath = bench.open(near, options)
  const theirs = all.map(i => bench.attach(far, outside, `o${i}`))
  const ports = all.map(i => bench.attach(near, datapath, `i${i}`))
  const deputy = new Deputy(outside, () => null)
  return {
    ...{ datapath, ports, until },
    send: (port, ...frames) => {
      const actions = new ActionList()
      actions.output(theirs[port]!)
      for (const frame of frames) outside.inject(frame, actions)
      outside.flush()
    },
    arrivals: async count => {
      if (count > 0) await until(() => deputy.seen.length >= count)
      else await wait(QUIET_MS)
      const seen = deputy.seen.splice(0)
      return seen.map(({ ifindex, bytes }) => ({ port: theirs.indexOf(ifindex), bytes }))
    },
    close: () => bench.close()
  }
}

datapathConformance('ebpf', openEbpf, canRun)
