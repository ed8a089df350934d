// What a packet thread is started with, of what an agent is given. test/api/system.ts starts one.

import { EXCHANGE_DEFAULT } from '../state/exchange/exchange.ts'
import { withKinds } from '../state/kinds.ts'
import { TIMEOUTS_DEFAULT } from '../state/timeouts.ts'
import type { AgentOptions } from './agent.ts'
import type { ThreadSettings } from './messages.ts'

const CONNECTIONS_MAX = 1_000_000

/** Complete: what the options leave out has its default. */
export const threadSettings = (options: AgentOptions): ThreadSettings => ({
  host: options.host.id,
  bindings: { hostName: options.host.name, interfaces: options.bindings ?? [] },
  session: options.store.session,
  datapath: options.datapath,
  ...(options.debug === undefined ? {} : { debug: options.debug }),
  plugins: options.plugins,
  places: options.places.filter(({ name }) => name in options.plugins),
  assembly: options.assembly,
  maintenance: options.maintenance ?? {},
  state: {
    connectionsMax: CONNECTIONS_MAX,
    connectionsPerPort: 0,
    exchange: EXCHANGE_DEFAULT,
    ...options.state,
    timeouts: withKinds(options.state?.timeouts ?? TIMEOUTS_DEFAULT, options.assembly.stateKinds),
    isKept: options.stateStore !== undefined
  },
  logLevel: options.logLevel ?? 'warn'
})
