// Boots the oldest supported kernel (Debian 12's 6.1) in an emulator and runs the datapath's own
// tests there: the verifier of each kernel has a mind of its own, and 6.1 has no tcx.
//   npm run test:kernels
// The emulation is plain TCG: it says whether things work, and nothing of speed.

import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, 'var', 'kernels')
const modules = ['veth', 'sch_ingress', 'cls_bpf', 'tun']
const tests = ['parse', 'actions', 'flood', 'ebpf', 'state', 'punt']
const DONE = 'mezzo-kernel-tests:'
const GUEST_MS_MAX = 40 * 60_000 // emulated: an idle machine needs a quarter of it

const run = (command: string, cwd = cache): string =>
  execFileSync('sh', ['-ec', command], { cwd, encoding: 'utf8', maxBuffer: 1 << 28 })

// The newest 6.1 cloud kernel: small, and its drivers are modules.
function fetchKernel(): string {
  const pattern = '^linux-image-6\\.1\\.0-[0-9]+-cloud-amd64$'
  const found = run(`apt-cache search --names-only '${pattern}'`).trim().split('\n')
  const name = found
    .map(line => line.split(' ')[0]!)
    .sort(byNumber)
    .at(-1)
  if (name === undefined || name === '') throw new Error('apt knows no 6.1 cloud kernel')
  const tree = join(cache, name)
  if (!existsSync(tree)) run(`apt-get download ${name} && dpkg -x ${name}_*.deb ${tree}`)
  return tree
}

const byNumber = (a: string, b: string): number => numberIn(a) - numberIn(b)
const numberIn = (name: string): number => Number(/6\.1\.0-(\d+)/.exec(name)?.[1])

// Copies a program and the libraries it asks for.
function copyProgram(from: string, into: string, as = from): void {
  const paths = run(`ldd ${from} 2>/dev/null | grep -o '/[^ ]*' || true`).trim().split('\n')
  for (const path of paths.filter(Boolean)) copy(path, join(into, path))
  copy(from, join(into, as))
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  run(`cp -rL ${from} ${to}`)
}

// Each module behind what it needs.
function copyModules(tree: string, into: string): string[] {
  const version = readdirSync(join(tree, 'lib/modules'))[0]!
  run(`depmod -b ${tree} ${version}`)
  const base = join(tree, 'lib/modules', version)
  const needs = new Map<string, string[]>()
  for (const line of readFileSync(join(base, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest = ''] = line.split(':')
    needs.set(path!, rest.trim().split(' ').filter(Boolean))
  }
  const ordered: string[] = []
  for (const name of modules) {
    const path = [...needs.keys()].find(each => each.endsWith(`/${name}.ko`))
    if (path === undefined) continue // built in
    for (const each of [...needs.get(path)!.reverse(), path])
      if (!ordered.includes(each)) ordered.push(each)
  }
  for (const path of ordered) copy(join(base, path), join(into, 'modules', path))
  return ordered
}

const init = (moduleFiles: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /run /tmp /var
/bin/busybox --install -s /bin
export PATH=/sbin:/bin HOME=/ NO_COLOR=1
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
exec >/dev/console 2>&1 </dev/console
mount -t tmpfs tmp /run; mount -t tmpfs tmp /tmp; ln -sfn /run /var/run
${moduleFiles.map(path => `insmod /modules/${path}`).join('\n')}
ip link set lo up
cd /mezzo; uname -r; failed=0
# Under emulation V8 sometimes aborts in a check of its own: what a signal ended runs once more.
for t in ${tests.join(' ')}; do
  node test/lab/datapath-$t.test.ts
  status=$?
  if [ $status -gt 128 ]; then
    echo "$t: ended by a signal, again"
    node test/lab/datapath-$t.test.ts
    status=$?
  fi
  [ $status -eq 0 ] || failed=1
done
echo ${DONE} $failed
poweroff -f
`

function buildInitramfs(tree: string): string {
  const into = join(cache, 'initramfs')
  rmSync(into, { recursive: true, force: true })
  mkdirSync(into, { recursive: true })
  copyProgram('/bin/busybox', into)
  copyProgram('/bin/sh', into, '/sbin/sh') // busybox's own takes its own `ip` for the real one
  copyProgram(process.execPath, into, '/bin/node')
  for (const name of ['ip', 'tc'])
    copyProgram(run(`command -v ${name}`).trim(), into, `/sbin/${name}`)
  copyProgram(join(root, 'native/build/mezzo.node'), into, '/mezzo/native/build/mezzo.node')
  copy(join(root, 'native/build/mezzo.bpf.o'), join(into, 'mezzo/native/build/mezzo.bpf.o'))
  for (const path of ['src', 'test/lab', 'test/fuzz', 'package.json'])
    copy(join(root, path), join(into, 'mezzo', path))
  writeFileSync(join(into, 'init'), init(copyModules(tree, into)), { mode: 0o755 })
  run('find . | cpio -o -H newc --quiet > ../initramfs.cpio', into)
  return join(cache, 'initramfs.cpio')
}

// Says what the guest says; true when its last word is that nothing failed.
function boot(tree: string, initramfs: string): Promise<boolean> {
  const kernel = readdirSync(join(tree, 'boot')).find(name => name.startsWith('vmlinuz'))!
  const args = ['-machine', 'accel=tcg', '-cpu', 'max', '-smp', '2', '-m', '1536', '-nographic']
  args.push('-no-reboot', '-nic', 'none', '-kernel', join(tree, 'boot', kernel))
  args.push('-initrd', initramfs, '-append', 'console=ttyS0 quiet panic=-1')
  const guest = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const limit = setTimeout(() => {
    process.stdout.write(`\nnot over within ${GUEST_MS_MAX / 60_000} minutes, killed\n`)
    guest.kill('SIGKILL')
  }, GUEST_MS_MAX)
  let said = ''
  guest.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
    process.stdout.write(chunk)
  })
  return new Promise(done => {
    guest.on('exit', () => {
      clearTimeout(limit)
      done(said.includes(`${DONE} 0`))
    })
  })
}

mkdirSync(cache, { recursive: true })
const tree = fetchKernel()
const passed = await boot(tree, buildInitramfs(tree))
process.stdout.write(`\n${tree.split('/').at(-1)}: ${passed ? 'passed' : 'FAILED'}\n`)
process.exitCode = passed ? 0 : 1
