// How the hosts of one store ask each other, so that the API of any of them answers for all.

import { isIP } from 'node:net'
import Type, { type Static } from 'typebox'
import { section } from '../core/config/config.ts'
import { fail, show } from '../core/errors.ts'

/** Where other hosts ask when a configuration names no port. */
const CLUSTER_PORT = 8183

/** The settings of the cluster. */
export const clusterSection = section({
  enabled: Type.Optional(
    Type.Boolean({
      description: 'the API answers for all hosts, and they ask this one; absent: with ZooKeeper'
    })
  ),
  address: Type.Optional(
    Type.String({
      minLength: 1,
      description: 'where other hosts ask this one; its address in a tunnel zone if absent'
    })
  ),
  port: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: CLUSTER_PORT,
    description: '0: any free'
  })
})

/** Whether this process takes part.  Refuses, by name, an address that is none. */
export function joins(
  { enabled, address }: Static<typeof clusterSection>,
  { kind }: { kind: string }
): boolean {
  if (address !== undefined && !isIP(address)) {
    const expected = 'an IP address such as 10.0.0.1'
    throw fail('INVALID', { field: 'cluster.address', value: show(address), expected })
  }
  return enabled ?? kind === 'zookeeper'
}
