// What an operator may set: `plugins.load-balancer` of the configuration.

import Type, { type Static } from 'typebox'
import { section } from '../../src/resource.ts'

export const loadBalancerSettings = section({
  countIntervalMs: Type.Integer({
    default: 1000,
    minimum: 100,
    maximum: 60_000,
    description: 'Between two counts of the connections of members'
  })
})
export type LoadBalancerSettings = Readonly<Static<typeof loadBalancerSettings>>
