// The agents of this process, as the API asks them.  test/api/agent.test.ts holds it.

import { type Agent, EMPTY_SNAPSHOT } from '../agent/agent.ts'
import type { AgentInfo, AgentsView, HostCounters, StateQuery } from '../api/agents.ts'
import { fail } from '../core/errors.ts'

/** Agents by the id of their host. */
export class LocalAgents implements AgentsView {
  readonly #agents: ReadonlyMap<string, Agent>

  constructor(agents: ReadonlyMap<string, Agent>) {
    this.#agents = agents
  }

  async hosts(): Promise<AgentInfo[]> {
    return [...this.#agents.values()].map(({ host, alive }) => ({ ...host, alive }))
  }

  async host(id: string): Promise<AgentInfo | undefined> {
    const agent = this.#agents.get(id)
    return agent === undefined ? undefined : { ...agent.host, alive: agent.alive }
  }

  async interfaces(host: string) {
    const agent = this.#agents.get(host)
    if (agent?.alive !== true) return undefined
    const interfaces = await agent.interfaces()
    return interfaces.map(({ ifindex: index, ...rest }) => {
      const { name, mac, mtu, up, addresses, refusal } = rest
      return { index, name, mac, mtu, up, addresses, refusal }
    })
  }

  async flows(host: string, { limit }: { limit: number }) {
    return this.#running(host).flows(limit)
  }

  async state(host: string, { limit, ...filter }: StateQuery) {
    return this.#running(host).state(limit, filter)
  }

  async peers(host: string) {
    return this.#running(host).peers()
  }

  async trace(host: string, request: { portId: string; frame: Uint8Array }) {
    return this.#running(host).trace(request.portId, request.frame)
  }

  // Of routes that plugins have declared.
  async answer(
    host: string,
    plugin: string,
    route: string,
    request: Parameters<AgentsView['answer']>[3]
  ) {
    return this.#running(host).control.answer(plugin, route, request)
  }

  metrics(): HostCounters[] {
    return [...this.#agents.values()].flatMap(({ host, counters, kept, control }) => [
      { host: host.name, source: 'control', snapshot: control.counters },
      { host: host.name, source: 'packets', snapshot: counters },
      { host: host.name, source: 'state', snapshot: { ...EMPTY_SNAPSHOT, gauges: kept } }
    ])
  }

  #running(host: string): Agent {
    const agent = this.#agents.get(host)
    if (agent?.alive !== true) throw fail('AGENT_GONE', { host: agent?.host.name ?? host })
    return agent
  }
}
