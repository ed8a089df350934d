// FRR that is not there, does not say its version or is of one not known is said so by name.

import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { findInstallation, tellsOfBfd } from './version.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-frr-'))
after(() => rmSync(folder, { recursive: true }))

function installed(name: string, said: string): string {
  const place = join(folder, name)
  mkdirSync(place)
  for (const daemon of ['zebra', 'bgpd', 'bfdd']) {
    writeFileSync(join(place, daemon), `#!/bin/sh\necho '${said}'\n`)
    chmodSync(join(place, daemon), 0o755)
  }
  return place
}

test('no folder has the daemons', async () => {
  const reason = await findInstallation(join(folder, 'nowhere'))
  assert.match(String(reason), /^FRR is not installed: no zebra, bgpd, bfdd in .*nowhere/)
})

test('a version that is too old, too new or not said', async () => {
  for (const [name, version] of [
    ['old', '8.3.1'],
    ['older', '7.5'],
    ['new', '11.0']
  ] as const) {
    const reason = await findInstallation(installed(name, `bgpd version ${version}`))
    assert.equal(reason, `FRR is of version ${version}; expected 8.4 to 10.x`)
  }
  const silent = await findInstallation(installed('silent', 'bgpd'))
  assert.match(String(silent), /bgpd --version does not say its version$/)
})

test('versions that are known', async () => {
  for (const version of ['8.4.4', '9.1', '10.2.1-dev']) {
    const found = await findInstallation(installed(version, `bgpd version ${version}`))
    if (typeof found === 'string') assert.match(found, /^FRR's daemons run as the user frr, whom/)
    else assert.equal(found.version, version)
  }
})

test('versions whose bfdd says by itself what it notices', () => {
  const tells = ['8.4.4', '9.1', '10.0', '10.1.2', '10.2', '10.2.1-dev', '10.10'].map(version =>
    tellsOfBfd({ version })
  )
  assert.deepEqual(tells, [true, true, true, true, false, false, false])
})
