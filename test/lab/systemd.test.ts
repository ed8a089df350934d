// systemd/mezzo.service as systemd of this machine runs it: what it may is what it says, it works
// with that, and what the kernel does goes on whatever becomes of the service.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { type Host, Lab, type Vm } from '../../src/lab/index.ts'
import { missingForSystemd } from '../../src/lab/services/systemd.ts'
import { Network, reaches } from './fixtures/index.ts'
import { UnitGround } from './fixtures/units.ts'

const skip = Network.skip() || (missingForSystemd() ?? false)
const ADMIN_RAW_PERFMON_BPF = (1n << 12n) | (1n << 13n) | (1n << 38n) | (1n << 39n)

describe('the unit of a host', { skip }, () => {
  let lab: Lab
  let host: Host
  let ground: UnitGround
  let a: Vm

  before(async () => {
    lab = await Lab.open({ prefix: 'mz-lab-systemd' })
    host = await lab.host('unit')
    a = await host.vm('sda', { addresses: ['10.9.1.1/24'], linkLocal: false })
    await host.vm('sdb', { addresses: ['10.9.1.2/24'], linkLocal: false })
    ground = await UnitGround.open(host)
    await ground.start()
    await ground.mezzo('bridge', 'create', 'name=red')
    for (const name of ['sda', 'sdb']) {
      await ground.mezzo('port', 'create', 'device=red', `name=${name}`)
      await ground.mezzo('port', 'bind', `red:${name}`, host.name, name)
    }
  })
  after(async () => {
    await ground?.close()
    await lab?.close()
  })

  test('it has four capabilities, gains no more, and forwards', async () => {
    const status = await ground.status()
    assert.equal(BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)![1]}`), ADMIN_RAW_PERFMON_BPF)
    assert.equal(/^CapBnd:\s*(\w+)/m.exec(status)![1], /^CapEff:\s*(\w+)/m.exec(status)![1])
    assert.match(status, /^NoNewPrivs:\s*1$/m)
    assert.match(status, /^Seccomp:\s*2$/m)
    await reaches(a, '10.9.1.2')
  })

  test('the kernel forwards while it is stopped, and when it was killed', async () => {
    await ground.systemd.control('stop', 'mezzo')
    assert.equal(await ground.systemd.show('mezzo', 'ActiveState'), 'inactive')
    await reaches(a, '10.9.1.2')
    await ground.start()
    await reaches(a, '10.9.1.2')
    await ground.systemd.control('kill', '--kill-whom=main', '--signal=KILL', 'mezzo')
    await reaches(a, '10.9.1.2')
    await ground.ready() // systemd has started it again
    const mounts = readFileSync(ground.systemd.path('/proc/1/mounts'), 'utf8')
    assert.equal(mounts.split('\n').filter(line => line.includes(' /run/mezzo/bpf bpf ')).length, 1)
  })

  test('systemd finds no fault in it', async () => {
    assert.equal(await ground.verify(), '')
  })
})
