// The sections of a configuration that no plugin owns.  Each setting has a default and says what
// it is; `config/*.json` hold the roles.

import Type from 'typebox'
import { logSection, section } from '../core/config/config.ts'
import type { Resources } from '../resource.ts'
import { storeSection } from '../topology/place/store-settings.ts'
import { apiSection, metricsSection } from './api-settings.ts'
import { clusterSection } from './cluster-settings.ts'
import { debugSection } from './debug-settings.ts'
import { stateSectionOf } from './state-settings.ts'

/** `plugins`: those installed, whose kinds of state have settings too. */
export const sectionsOf = (plugins: readonly Resources[]) => ({
  log: logSection,
  host: section({
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: "this machine's own name if absent"
      })
    ),
    idFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'where its id is kept; beside the store, with -host-id behind, if absent'
      })
    ),
    netns: Type.Optional(
      Type.String({ minLength: 1, description: 'network namespace the packets live in, a path' })
    ),
    role: Type.String({
      minLength: 1,
      maxLength: 64,
      default: 'appliance',
      description: 'what GET /hosts calls it'
    }),
    packets: Type.Boolean({
      default: true,
      description: 'false: no agent here, and no host: store and API only'
    })
  }),
  store: storeSection,
  cluster: clusterSection,
  bindings: section({
    interfaces: Type.Array(Type.String({ minLength: 1, maxLength: 15 }), {
      default: [],
      maxItems: 256,
      description: 'names that ports may be bound to beside taps and veths; * and ? are wild'
    })
  }),
  state: stateSectionOf(plugins.flatMap(({ stateKinds = [] }) => stateKinds)),
  datapath: section({
    kind: Type.Union([Type.Literal('auto'), Type.Literal('ebpf'), Type.Literal('memory')], {
      default: 'auto',
      description: 'auto: ebpf where root and the addon are there, else memory'
    }),
    pins: Type.String({
      default: 'var/bpf',
      description: "where the kernel's part outlives the agent; empty: it does not"
    }),
    flowsMax: Type.Integer({
      minimum: 64,
      maximum: 16_777_216,
      default: 262_144,
      description: 'flows in the kernel table'
    }),
    creditsPerPortMax: Type.Integer({
      minimum: 1,
      maximum: 65_536,
      default: 64,
      description: 'packets of one port on their way up at the same time'
    }),
    debug: debugSection
  }),
  flows: section({
    idleMs: Type.Integer({ minimum: 1000, default: 60_000, description: 'an unused flow goes' }),
    checkMs: Type.Integer({
      minimum: 1000,
      default: 60_000,
      description: 'a used flow is walked again'
    })
  }),
  ports: section({
    security: Type.Union(
      [Type.Literal('off'), Type.Literal('services'), Type.Literal('addresses')],
      {
        default: 'off',
        description:
          'what new ports of stations may send that say nothing of it; services: no answers of ' +
          'DHCP and routers; addresses: nothing until their addresses are listed'
      }
    )
  }),
  api: apiSection,
  metrics: metricsSection
})
