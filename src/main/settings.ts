// The sections of a configuration that no plugin owns.  Each setting has a default and says what
// it is; `config/*.json` hold the roles.

import Type from 'typebox'
import { logSection, section } from '../core/config.ts'
import { stateSection } from './state-settings.ts'

export const sections = {
  log: logSection,
  host: section({
    name: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 255,
        description: "this machine's own name if absent"
      })
    ),
    netns: Type.Optional(
      Type.String({ minLength: 1, description: 'network namespace the packets live in, a path' })
    )
  }),
  store: section({
    path: Type.String({
      minLength: 1,
      default: 'var/mezzo.db',
      description: "file of the embedded store; ':memory:' forgets at the end"
    })
  }),
  state: stateSection,
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
    })
  }),
  flows: section({
    idleMs: Type.Integer({ minimum: 1000, default: 60_000, description: 'an unused flow goes' }),
    checkMs: Type.Integer({
      minimum: 1000,
      default: 60_000,
      description: 'a used flow is walked again'
    })
  }),
  api: section({
    enabled: Type.Boolean({ default: true, description: 'serve REST, metrics and OpenAPI' }),
    address: Type.String({
      default: '127.0.0.1',
      description: 'where it listens; anything but loopback needs a token'
    }),
    port: Type.Integer({ minimum: 0, maximum: 65_535, default: 8181, description: '0: any free' }),
    token: Type.Optional(
      Type.String({ minLength: 16, maxLength: 256, description: 'bearer token clients must show' })
    )
  })
}
