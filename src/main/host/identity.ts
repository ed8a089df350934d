// What a host says of itself that stands in no store: which Mezzo runs on which machine.

import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { HostIdentity } from '../../agent/registrar.ts'

const manifest = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
const { version } = JSON.parse(manifest) as { version: string }

/** `places` give where it listens now. */
export const identityOf = (
  role: string,
  places: Pick<HostIdentity, 'api' | 'cluster'>
): HostIdentity => ({ role, version, machine: hostname(), ...places })
