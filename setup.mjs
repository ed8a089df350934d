// Makes the house ready: Node packages, Debian packages, the native build. npm runs it before
// start, check, test and bench, so that a fresh clone needs one command. Plain JavaScript without
// dependencies, for any Node from 18: it runs before anything is installed. When there is nothing
// to do it only looks at files: 0.1 s measured, most of it Node's own start.
//   node setup.mjs [--lab] [--kernels]     what the tests, and the tests on other kernels, need

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  accessSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))

// Debian's name, the file that shows it is there (a bare name is a program), and what it is for.
const product = [
  ['iproute2', 'ip', 'makes namespaces and links'],
  ['clang', 'clang', 'compiles the BPF programs'],
  ['gcc', 'gcc', 'compiles the addon'],
  ['libc6-dev', '/usr/include/stdio.h', 'the C headers'],
  ['make', 'make', 'runs the native build'],
  ['libbpf-dev', '/usr/include/bpf/libbpf.h', 'loads BPF programs'],
  ['libelf-dev', '/usr/include/libelf.h', 'reads BPF objects'],
  ['zlib1g-dev', '/usr/include/zlib.h', 'is needed by libelf']
]
const lab = [
  ['bpftool', 'bpftool', 'shows maps and programs'],
  ['tcpdump', 'tcpdump', 'captures packets'],
  ['tshark', 'tshark', 'decodes captured tunnels'],
  ['iperf3', 'iperf3', 'sends TCP and UDP streams'],
  ['ethtool', 'ethtool', 'switches offloads'],
  ['nftables', 'nft', 'cuts links between hosts'],
  ['iputils-ping', 'ping', 'sends pings'],
  ['procps', 'ps', 'looks at processes'],
  ['python3-minimal', 'python3', 'answers behind a tap'],
  ['openjdk-17-jre-headless', 'java', 'runs a Cassandra node'],
  ['maven', 'mvn', 'fetches that node']
]
const kernels = [
  ['qemu-system-x86', 'qemu-system-x86_64', 'boots other kernels'],
  ['busybox-static', '/usr/share/doc/busybox-static', 'is their user space'],
  ['cpio', 'cpio', 'packs their initramfs'],
  ['kmod', 'modprobe', 'loads their modules']
]

const programFolders = [
  ...(process.env.PATH ?? '').split(delimiter),
  ...['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin']
]

const say = text => process.stderr.write(`setup: ${text}\n`)

if (!installNodePackages()) process.exit(1)
installDebianPackages()
buildNative()

// Node packages. The stamp holds the hash of the lock file that was installed: a checkout gives
// the lock file a new date without changing it, and that alone must not install anything.
function installNodePackages() {
  const folder = join(root, 'node_modules')
  // A link belongs to whoever made it; npm would empty the folder behind it.
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return true
  const lock = join(root, 'package-lock.json')
  const stamp = join(folder, '.mezzo-stamp')
  if (nodePackagesAreFresh(folder, lock, stamp)) return true
  say('installing Node packages (npm ci)')
  // Without our own .bin in the path: npm must not run on the Node that it is about to remove.
  const path = programFolders.filter(entry => entry !== join(folder, '.bin')).join(delimiter)
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: path }
  })
  if (npm.status !== 0 || !existsSync(join(folder, '.bin', 'node'))) {
    say(`npm ci failed${npm.error ? `: ${npm.error.message}` : ''}; Mezzo cannot run without`)
    return false
  }
  writeFileSync(stamp, hash(lock))
  return true
}

function nodePackagesAreFresh(folder, lock, stamp) {
  if (!existsSync(join(folder, '.bin', 'node'))) return false
  // Somebody ran npm by hand: its own record of the tree is as good as the stamp.
  const record = existsSync(stamp) ? stamp : join(folder, '.package-lock.json')
  if (modified(record) >= modified(lock)) return true
  if (record !== stamp || readFileSync(stamp, 'utf8') !== hash(lock)) return false
  utimesSync(stamp, new Date(), new Date())
  return true
}

function installDebianPackages() {
  const wanted = [...product]
  if (process.argv.includes('--lab')) wanted.push(...lab)
  if (process.argv.includes('--kernels')) wanted.push(...kernels)
  const missing = wanted.filter(([, probe]) => !isThere(probe))
  if (missing.length === 0) return
  const list = missing.map(([name, , why]) => `${name} (${why})`).join(', ')
  const names = missing.map(([name]) => name)
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    say(`missing ${list}`)
    say(`going on without; as root on Debian: apt-get install ${names.join(' ')}`)
    return
  }
  say(`installing Debian packages: ${list}`)
  apt('update')
  if (apt('install', ...names)) return
  // One name this release does not know spoils the whole list: take the others one by one.
  const refused = names.filter(name => !apt('install', name))
  if (refused.length > 0) say(`could not install ${refused.join(' ')}; going on without`)
}

function apt(verb, ...names) {
  const options = ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=120', '--no-install-recommends']
  const done = spawnSync('apt-get', [verb, ...options, ...names], {
    stdio: ['ignore', 'ignore', 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  })
  return done.status === 0
}

// The native build. make knows the details; the stamp only saves starting it.
function buildNative() {
  const folder = join(root, 'native')
  if (!existsSync(join(folder, 'Makefile'))) return
  const stamp = join(folder, 'build', '.mezzo-stamp')
  if (modified(stamp) >= newest(folder)) return
  const missing = ['make', 'gcc', 'clang'].filter(program => !isThere(program))
  if (missing.length > 0) {
    say(`no native build without ${missing.join(', ')}: the memory datapath is used`)
    return
  }
  say('building the native part (make -C native)')
  const make = spawnSync('make', ['-s', '-C', folder], { stdio: ['ignore', 2, 2] })
  if (make.status !== 0) {
    say('the native build failed: the memory datapath is used')
    return
  }
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
}

function newest(folder) {
  let latest = modified(folder)
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'build') continue
    const path = join(folder, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : modified(path))
  }
  return latest
}

function isThere(probe) {
  const paths = probe.startsWith('/') ? [probe] : programFolders.map(folder => join(folder, probe))
  return paths.some(path => {
    try {
      accessSync(path)
      return true
    } catch {
      return false
    }
  })
}

function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function hash(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}
