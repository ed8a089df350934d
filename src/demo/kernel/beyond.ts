// What lies beyond the gateways of a ground: here one network with a cable to each tenant's uplink,
// which is told by hand by which gateway to answer. A cluster has routers instead that find out.
// test/lab/demo.test.ts holds it.

import type { Host, Lab, Machine } from '../../lab/index.ts'
import type { Passed } from '../ground.ts'
import { families, type GatewayName, outside, routesBy, uplinks } from '../plan/plan.ts'

/** The network outside, and what leads there. */
export interface Beyond {
  /** Interfaces of a gateway's uplinks; those of other hosts: none. */
  interfaces(host: string): readonly string[]
  /** Makes it; the gateways are there. */
  build(): Promise<void>
  /** It is told by hand to answer by this gateway. */
  returnBy(gateway: GatewayName): Promise<void>
  /** What it has seen so far of the gateways. */
  passed(): Promise<readonly Passed[]>
}

interface Link {
  readonly ifname: string
  readonly stats64?: Readonly<Record<'rx' | 'tx', { readonly packets: number }>>
}

/** One network, and static routes. */
export class StaticBeyond implements Beyond {
  readonly #lab: Lab

  constructor(lab: Lab) {
    this.#lab = lab
  }

  interfaces(host: string): readonly string[] {
    return uplinks.filter(({ gateway }) => gateway === host).map(uplink => uplink.interface)
  }

  async build(): Promise<void> {
    await this.#lab.outside(outside.name, {
      links: uplinks.map(uplink => ({
        host: this.#lab.machines.get(uplink.gateway) as Host,
        interface: uplink.interface,
        addresses: families.map(family => `${uplink[family].far}/${uplink[family].length}`)
      })),
      addresses: [`${outside[4]}/32`, `${outside[6]}/128`],
      routes: routesBy('gateway2')
    })
  }

  async returnBy(gateway: GatewayName): Promise<void> {
    const routes = routesBy(gateway).map(({ to, via }) => `route replace ${to} via ${via}`)
    await this.#machine.ip(...routes)
  }

  async passed(): Promise<readonly Passed[]> {
    const links = JSON.parse(await this.#machine.must(['ip', '-j', '-s', 'link', 'show'])) as Link[]
    return uplinks.map(({ tenant, gateway }, i) => {
      const stats = links.find(({ ifname }) => ifname === `eth${i}`)?.stats64
      return { tenant, gateway, out: stats?.rx.packets ?? 0, back: stats?.tx.packets ?? 0 }
    })
  }

  get #machine(): Machine {
    return this.#lab.machines.get(outside.name)!
  }
}
