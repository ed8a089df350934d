// systemd of this machine, as the first process of a machine of the lab: units run in it as they do
// on a host. Processes, mounts, /run, /var/lib and control groups are its own; the files of the
// machine it can only read. test/lab/systemd.test.ts holds it.

import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Machine } from '../machines/machine.ts'
import { must, type RunResult, run } from '../process/process.ts'
import { Service } from './service.ts'

const PROGRAM = '/usr/lib/systemd/systemd'
const UNITS = '/usr/lib/systemd/system'
const needed = ['basic', 'sysinit', 'shutdown', 'umount', 'network', 'local-fs', 'local-fs-pre']
const DEFAULT = '[Unit]\nRequires=basic.target\nAfter=basic.target\n'
const COMMAND_MS = 60_000

// A control group of its own, or two of them would share theirs.
const OUTSIDE = `
echo $$ > "$1/pid"
mkdir -p "$2" && echo $$ > "$2/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup --propagation private \\
  sh -e -c "$3" sh "$1" "$4" "$5"`

// Folders are bound before what may hide them is mounted; the machine stays as it is.
const INSIDE = `
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind "$1/units" /etc/systemd/system
echo "$3" > "$1/hostname"
[ ! -e /etc/hostname ] || mount --bind "$1/hostname" /etc/hostname
mount -t tmpfs -o mode=0755 tmpfs /opt
mkdir /opt/mezzo
mount --bind "$2" /opt/mezzo
for each in /run /tmp /var/lib /var/tmp; do mount -t tmpfs -o mode=0755 tmpfs $each; done
mkdir /run/lock
mount -o remount,bind,ro /
cd /
exec env -i PATH="$PATH" container=mezzo-lab SYSTEMD_UNIT_PATH=/etc/systemd/system \\
  SYSTEMD_LOG_TARGET=null ${PROGRAM} --system --show-status=no`

/** Why there can be no systemd here; undefined when there can. */
export function missingForSystemd(): string | undefined {
  if (!existsSync(PROGRAM)) return 'systemd is not installed; node setup.mjs --lab does'
  return controlGroups() === undefined ? 'there is no cgroup2' : undefined
}

const controlGroups = (): string | undefined =>
  readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '))
    .find(([, , type]) => type === 'cgroup2')?.[1]

/** systemd in a machine, with a tree of Mezzo at /opt/mezzo. */
export class Systemd extends Service {
  readonly #machine: string
  readonly #tree: string
  readonly #group: string

  /** Begins, with no unit but its own targets. */
  static async start(machine: Machine, tree: string): Promise<Systemd> {
    const systemd = new Systemd(machine, tree)
    try {
      await systemd.start()
      return systemd
    } catch (error) {
      await systemd.close()
      throw error
    }
  }

  private constructor(machine: Machine, tree: string) {
    super('systemd', { address: '', ports: [], enter: ['nsenter', `--net=${machine.path}`] })
    this.#machine = machine.name
    this.#tree = tree
    this.#group = join(controlGroups()!, `mezzo-lab-${machine.netns}-${process.pid}`)
    mkdirSync(this.#units)
    for (const name of needed) {
      const file = `${name}.target`
      copyFileSync(join(UNITS, file), join(this.#units, file))
    }
    writeFileSync(join(this.#units, 'default.target'), DEFAULT)
  }

  /** Puts a file below /etc/systemd/system: a unit, or a drop-in of one. */
  async install(name: string, text: string): Promise<void> {
    const path = join(this.#units, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    await this.must(['systemctl', 'daemon-reload'])
  }

  /** What `systemctl` says; only one that does not end is an error. */
  control(...words: readonly string[]): Promise<RunResult> {
    return run(this.#inside(['systemctl', ...words]), { timeoutMs: COMMAND_MS })
  }

  /** The value of a property of a unit. */
  async show(unit: string, property: string): Promise<string> {
    return (await this.must(['systemctl', 'show', '-P', property, unit])).trim()
  }

  /** Runs a program beside its units, which must succeed; gives what it printed. */
  must(command: readonly string[]): Promise<string> {
    return must(this.#inside(command), { timeoutMs: COMMAND_MS })
  }

  /** Where one of its files is found from outside. */
  path(file: string): string {
    return join(`/proc/${this.#pid}/root`, file)
  }

  override async close(): Promise<void> {
    await super.close()
    await removeGroup(this.#group)
  }

  protected command(): readonly string[] {
    const words = [this.folder, this.#group, INSIDE, this.#tree, this.#machine]
    return ['sh', '-e', '-c', OUTSIDE, 'sh', ...words]
  }

  protected async serves(): Promise<boolean> {
    if (Number.isNaN(this.#pid)) return false
    const { stdout } = await this.control('is-system-running')
    return /^(running|degraded)$/m.test(stdout)
  }

  get #units(): string {
    return join(this.folder, 'units')
  }

  // Of the first process, as we see it; NaN: there is none yet.
  get #pid(): number {
    const outside = textOf(join(this.folder, 'pid')).trim()
    return Number.parseInt(textOf(`/proc/${outside}/task/${outside}/children`), 10)
  }

  #inside(command: readonly string[]): string[] {
    return ['nsenter', '--target', `${this.#pid}`, '--all', '--', ...command]
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return '' // it is not there yet
  }
}

const REMOVE_MS = 10_000
const LOOK_MS = 20

// A group goes when the last of its processes is buried.
async function removeGroup(group: string): Promise<void> {
  const until = performance.now() + REMOVE_MS
  while (existsSync(group)) {
    try {
      removeGroupSync(group)
    } catch (error) {
      if (performance.now() > until) throw error
      await sleep(LOOK_MS)
    }
  }
}

function removeGroupSync(group: string): void {
  for (const name of readdirSync(group)) {
    const path = join(group, name)
    if (statSync(path).isDirectory()) removeGroupSync(path)
  }
  rmdirSync(group)
}
