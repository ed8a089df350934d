// What an operator may set: `plugins.nat` of the configuration.

import Type, { type Static } from 'typebox'
import { section } from '../../src/resource.ts'

/** The settings of the NAT plugin. */
export const natSettings = section({
  blockIdleMs: Type.Integer({
    default: 300_000,
    minimum: 1000,
    maximum: 86_400_000,
    description: 'A block of ports that no binding has used for so long is given back'
  })
})
export type NatSettings = Readonly<Static<typeof natSettings>>
