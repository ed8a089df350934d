// What an operator may set: `plugins.load-balancer` of the configuration.

import Type, { type Static } from 'typebox'
import { section } from '../../src/resource.ts'

const ms = (value: number, description: string) =>
  Type.Integer({ default: value, minimum: 100, maximum: 3_600_000, description })

/** The settings of the load balancer plugin. */
export const loadBalancerSettings = section({
  countIntervalMs: ms(1000, 'Between two counts of the connections of members'),
  checksMax: Type.Integer({
    default: 1024,
    minimum: 1,
    maximum: 65_536,
    description: 'Checks of members that are under way at once'
  }),
  flapHoldMs: ms(2000, 'A member that falls again soon stays down so long; doubles each time'),
  flapHoldMsMax: ms(60_000, 'The longest that a member stays down for having gone up and down'),
  flapCalmMs: ms(60_000, 'A member that was up for so long is not held down')
})
export type LoadBalancerSettings = Readonly<Static<typeof loadBalancerSettings>>
