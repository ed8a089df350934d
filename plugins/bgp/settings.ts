// What an operator may set: `plugins.bgp` of the configuration.

import Type, { type Static } from 'typebox'
import { section } from '../../src/resource.ts'

/** The settings of the bgp plugin. */
export const bgpSettings = section({
  pollMs: Type.Integer({
    default: 2000,
    minimum: 200,
    maximum: 60_000,
    description: 'Between two looks at the sessions, ms'
  }),
  drainTellMs: Type.Integer({
    default: 2000,
    minimum: 0,
    maximum: 600_000,
    description: 'Peers know so long before that a drained host will announce nothing, ms'
  }),
  withdrawAfterMs: Type.Integer({
    default: 10_000,
    minimum: 1000,
    maximum: 3_600_000,
    description: 'A gateway whose agent is gone for so long announces nothing more, ms'
  }),
  dampFirstMs: Type.Integer({
    default: 1000,
    minimum: 0,
    maximum: 3_600_000,
    description: 'So long an uplink must be steady after its second failure, ms; doubles; 0: never'
  }),
  dampMaxMs: Type.Integer({
    default: 60_000,
    minimum: 0,
    maximum: 3_600_000,
    description: 'So long at most, ms'
  }),
  dampForgetMs: Type.Integer({
    default: 300_000,
    minimum: 1000,
    maximum: 86_400_000,
    description: 'Failures are forgotten after so long a quiet, ms'
  }),
  services: Type.Array(
    Type.Object(
      {
        protocol: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
        port: Type.Integer({ minimum: 1, maximum: 65_535 })
      },
      { additionalProperties: false }
    ),
    {
      default: [],
      maxItems: 16,
      description: 'What else uplink ports take for themselves, from anyone'
    }
  )
})
export type BgpSettings = Readonly<Static<typeof bgpSettings>>
