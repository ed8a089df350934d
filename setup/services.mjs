// Debian starts the services of a package when it is installed, and at each boot. Programs that
// Mezzo runs itself, FRR's say, must not run beside as services: while such a package is installed
// nothing is started, and then its services are switched off. What was there before is left alone.

import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { isThere } from './files.mjs'
import { run, say } from './progress.mjs'

/** The services that a Debian package brings, by its name. */
const services = { frr: ['frr'], bird2: ['bird'], gobgpd: ['gobgpd'], exabgp: ['exabgp'] }

const POLICY = '/usr/sbin/policy-rc.d' // Debian's way to say what may be started; 101: nothing
const LIMIT_MS = 60_000

/** Runs `install`, which installs these packages, without starting what they bring. */
export async function withoutServices(packages, install) {
  const names = packages.flatMap(name => services[name] ?? [])
  const isOurs = names.length > 0 && !existsSync(POLICY)
  const before = new Set(names.filter(isKnown))
  if (isOurs) writeFileSync(POLICY, policyOf(names), { mode: 0o755 })
  try {
    return await install()
  } finally {
    if (isOurs) rmSync(POLICY, { force: true })
    for (const name of names) if (!before.has(name) && isKnown(name)) await switchOff(name)
  }
}

const isKnown = name =>
  existsSync(`/lib/systemd/system/${name}.service`) || existsSync(`/etc/init.d/${name}`)

const policyOf = names => {
  const patterns = names.flatMap(name => [name, `${name}.service`]).join('|')
  return `#!/bin/sh\ncase "$1" in ${patterns}) exit 101 ;; esac\nexit 0\n`
}

// Both only write links; neither needs a running systemd.
async function switchOff(name) {
  const commands = [
    ['systemctl', 'disable', name],
    ['update-rc.d', name, 'disable']
  ]
  const command = commands.find(([program]) => isThere(program))
  if (command === undefined) return
  const { status, said } = await run(command[0], command.slice(1), { limitMs: LIMIT_MS })
  if (status === 0) say(`the service ${name} is switched off: Mezzo runs its programs itself`)
  else say(`the service ${name} could not be switched off: ${said}`)
}
