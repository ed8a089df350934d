// The plugins' third door: what `control.ts` of a plugin is made of. A control side lives on the
// main thread, one for each host that runs the plugin: it may wait, speak to the store, keep
// programs running and answer routes of its own. It never sees a packet.

import type { Control } from './agent/control/control.ts'
import type { Needs } from './core/token.ts'

export {
  type AnswerRequest,
  Api,
  type Control,
  type ControlRequest,
  type ControlRoute,
  Notes,
  type Provide,
  ThisHost
} from './agent/control/control.ts'
export { type Listening, type ListenOptions, listenIn } from './agent/control/listening.ts'
export { OtherHosts, type PeerState } from './agent/control/other-hosts.ts'
export { PortActivity, type PortListener } from './agent/control/port-watch.ts'
export { outlivingIn } from './agent/control/process-files.ts'
export { Processes, type ProcessOptions, type Supervised } from './agent/control/processes.ts'
export { Punt, type PuntRules, type PuntService } from './agent/control/punt.ts'
export { Retry } from './core/backoff.ts'
export { Clock, type Timer } from './core/clock.ts'
export type { JsonSchema } from './core/config/schema.ts'
export { Counters } from './core/counters.ts'
export { fail } from './core/errors.ts'
export type { Running } from './core/lifecycle.ts'
export { Log } from './core/log.ts'
export { Random } from './core/random.ts'
export { type Token, token } from './core/token.ts'
export type { PortModel } from './topology/models.ts'
export { Store } from './topology/store.ts'
export * as address from './wire/address.ts'

/** Identity at run time; at compile time it ties `setup` to `needs`. */
export const defineControl = <const N extends Needs, S = object>(
  control: Control<N, S>
): Control<N, S> => control
