// What lies beyond the cluster's gateways: two upstream routers and the outside, all of them BIRD.
// Nobody tells them anything by hand: what they know of gateways they know by BGP and BFD.
// test/lab/demo-cluster.test.ts holds it.

import { type Lab, LabError } from '../../lab/index.ts'
import { missingForBird } from '../../lab/services/bird.ts'
import { missingForFrr } from '../../lab/services/frr.ts'
import { ROUTERS, type Router } from '../../lab/upstream/sessions.ts'
import { Upstream, uplinkName } from '../../lab/upstream/upstream.ts'
import type { Routers } from '../faults.ts'
import type { Passed } from '../ground.ts'
import type { Beyond } from '../kernel/beyond.ts'
import { type GatewayName, gateways } from '../plan/plan.ts'
import type { AddUplinks } from '../plan/static-uplinks.ts'
import type { ServiceReport } from '../report/report.ts'
import { announced, edgeUplinks, uplinkPorts, upstreamPlan } from './edge.ts'
import { clear, silence } from './speakers.ts'

/** Until the routers outside have heard of something; a busy machine needs that long. */
export const TOLD_MS = 45_000

/** The upstream routers of the cluster. */
export class UpstreamBeyond implements Beyond, Routers {
  readonly names = ROUTERS
  readonly #lab: Lab
  #upstream: Upstream | null = null
  #sessions: ReadonlyMap<Router, string> = new Map()

  constructor(lab: Lab) {
    this.#lab = lab
  }

  interfaces(host: string): readonly string[] {
    return gateways.some(gateway => gateway === host) ? ROUTERS.map((_, r) => uplinkName(r)) : []
  }

  async build(): Promise<void> {
    this.#upstream = await Upstream.build(this.#lab, upstreamPlan)
  }

  async returnBy(gateway: GatewayName): Promise<void> {
    throw new LabError(`nobody tells the upstream routers to send by ${gateway}`)
  }

  async passed(): Promise<readonly Passed[]> {
    const upstream = this.#upstream!
    const seen = await Promise.all(ROUTERS.map(router => upstream.passed(router)))
    return seen.flat().map(({ gateway, ...counts }) => {
      return { tenant: null, gateway: gateway as GatewayName, ...counts }
    })
  }

  /** Puts the edge and its uplinks into the topology. */
  get uplinks(): AddUplinks {
    return edgeUplinks(this.#lab.prefix)
  }

  /** kill -9 of what speaks for a gateway: it outlives the agent, and dies with the machine. */
  async silence(gateway: string): Promise<void> {
    await silence(uplinkPorts(this.#lab.prefix, gateway))
  }

  /** Takes away what has spoken for the gateways; none of their agents may run. */
  async clear(): Promise<void> {
    await clear(gateways.flatMap(gateway => uplinkPorts(this.#lab.prefix, gateway)))
  }

  /** Resolves when the routers have sessions with both gateways, and know all of our networks. */
  async untilUp(): Promise<void> {
    await this.#upstream!.untilUp(announced)
  }

  /** The routers, as they were looked at last. */
  get reports(): ServiceReport[] {
    const upstream = this.#upstream
    if (upstream === null) return []
    return ROUTERS.map(name => {
      const alive = !upstream.isDead(name)
      return { name, alive, role: alive ? (this.#sessions.get(name) ?? '') : '' }
    })
  }

  /** Looks how their sessions are. */
  async refresh(): Promise<void> {
    const upstream = this.#upstream
    if (upstream === null) return
    const alive = ROUTERS.filter(router => !upstream.isDead(router))
    const looked = alive.map(async router => {
      const { up, all } = await upstream.sessions(router)
      return [router, `${up} of ${all} sessions`] as const
    })
    this.#sessions = new Map(await Promise.all(looked))
  }

  kill(router: Router): Promise<void> {
    return this.#upstream!.kill(router)
  }

  revive(router: Router): Promise<void> {
    return this.#upstream!.revive(router)
  }

  cut(gateway: string, router: Router, isCut: boolean): Promise<void> {
    return this.#upstream!.cut(gateway, router, isCut)
  }

  /** Resolves when the routers that can know whether a gateway is a way know that it is so. */
  untilTold(gateway: string, isTold: boolean): Promise<void> {
    return this.#upstream!.untilTold(gateway, isTold, TOLD_MS)
  }

  /** Ends what speaks there. */
  async close(): Promise<void> {
    await this.#upstream?.close()
  }
}

/** Why gateways cannot speak BGP with routers outside here; undefined when they can. */
export const missingForUplinks = (): string | undefined =>
  missingForBird() ?? missingForFrr('gateway')
