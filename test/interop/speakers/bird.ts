// BIRD as a router outside.

import { type Machine, must } from '../../../src/lab/index.ts'
import { Bird, missingForBird } from '../../../src/lab/services/bird.ts'
import type { Kind, Upstream, UpstreamOptions } from '../upstream.ts'

export const bird: Kind = {
  name: 'BIRD',
  missing: missingForBird,
  version: async () => /[\d.]+/.exec(await must(['sh', '-c', 'bird --version 2>&1']))![0],
  lacks: {},
  keeps: true,
  start: startBird
}

async function startBird(machine: Machine, options: UpstreamOptions): Promise<Upstream> {
  const { asn, routerId, peer, holdS, networks, password, bfd } = options
  const name = 'peer1'
  const one = { name, ...peer, holdS, bfd: bfd !== undefined, ...(password && { password }) }
  const router = await Bird.start(machine, {
    ...{ asn, routerId, networks, peers: [one] },
    ...(bfd && { bfd })
  })
  return {
    announce: more => router.change({ networks: more }),
    learned: async () => {
      const text = await router.ask('show', 'route', 'where', 'source', '=', 'RTS_BGP')
      return text.split('\n').flatMap(line => /^(\S+\/\d+)\s+unicast/.exec(line)?.[1] ?? [])
    },
    kill: () => router.kill(),
    start: () => router.start(),
    close: () => router.close()
  }
}
