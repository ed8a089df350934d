// Debian packages: as root where there is apt they are installed, else it is said which are
// missing.

import { isThere } from './files.mjs'
import { Progress, run, say } from './progress.mjs'
import { withoutServices } from './services.mjs'

// Debian's name, the file that shows it is there (a bare name is a program), and what it is for.
const product = [
  ['iproute2', 'ip', 'makes namespaces and links'],
  ['util-linux', 'nsenter', 'enters namespaces'],
  ['mount', 'umount', 'puts bpffs away'],
  ['clang', 'clang', 'compiles the BPF programs'],
  ['gcc', 'gcc', 'compiles the addon'],
  ['libc6-dev', '/usr/include/stdio.h', 'the C headers'],
  ['linux-libc-dev', '/usr/include/linux/bpf.h', "the kernel's headers"],
  ['make', 'make', 'runs the native build'],
  ['libbpf-dev', '/usr/include/bpf/libbpf.h', 'loads BPF programs'],
  ['libelf-dev', '/usr/include/libelf.h', 'reads BPF objects'],
  ['zlib1g-dev', '/usr/include/zlib.h', 'is needed by libelf']
]
const gateway = [['frr', '/usr/lib/frr/bgpd', 'speaks BGP at uplinks']]
const outside = [['bird2', 'bird', 'is a router outside']]
const check = [['openssl', 'openssl', 'makes certificates for tests']]
const more = {
  check,
  gateway,
  outside,
  lab: [
    ...check,
    ...gateway,
    ...outside,
    ['bpftool', 'bpftool', 'shows maps and programs'],
    ['tcpdump', 'tcpdump', 'captures packets'],
    ['tshark', 'tshark', 'decodes captured tunnels'],
    ['iperf3', 'iperf3', 'sends TCP and UDP streams'],
    ['ethtool', 'ethtool', 'switches offloads'],
    ['nftables', 'nft', 'cuts links between hosts'],
    ['procps', 'ps', 'looks at processes'],
    ['systemd', '/usr/lib/systemd/systemd', 'runs the units of systemd/'],
    ['python3-minimal', 'python3', 'answers behind a tap']
  ],
  cassandra: [
    ['util-linux', 'setpriv', 'ends the node with its test'],
    ['openjdk-17-jre-headless', 'java', 'runs a Cassandra node'],
    ['openssl', 'openssl', 'makes its certificate'],
    ['maven', 'mvn', 'fetches that node']
  ],
  zookeeper: [
    ['util-linux', 'setpriv', 'ends the server with its test'],
    ['openjdk-17-jre-headless', 'java', 'runs a ZooKeeper server'],
    ['openssl', 'openssl', 'makes its certificate'],
    ['libzookeeper-java', '/usr/share/java/zookeeper.jar', 'is that server'],
    ['faketime', 'faketime', 'steps the clock of a process']
  ],
  interop: [
    ['gobgpd', 'gobgpd', 'is another BGP speaker outside'],
    ['exabgp', 'exabgp', 'is one more']
  ],
  model: [['spin', 'spin', 'looks at all states of a protocol']],
  kernels: [
    ['qemu-system-x86', 'qemu-system-x86_64', 'boots other kernels'],
    ['busybox-static', '/usr/share/doc/busybox-static', 'is their user space'],
    ['cpio', 'cpio', 'packs their initramfs'],
    ['kmod', 'modprobe', 'loads their modules']
  ]
}
const LIMIT_MS = 20 * 60_000
const LOCK_S = 120

/** Those of the product and of the groups. */
export async function installDebianPackages(groups) {
  const wanted = [...product, ...groups.flatMap(name => more[name])]
  const missing = new Map()
  for (const [name, probe, why] of wanted) if (!isThere(probe)) missing.set(name, why)
  if (missing.size === 0) return
  const names = [...missing.keys()]
  const list = [...missing].map(([name, why]) => `${name} (${why})`).join(', ')
  if (process.getuid?.() !== 0 || !isThere('apt-get')) {
    say(`missing ${list}`)
    say(`going on without; as root on Debian: apt-get install ${names.join(' ')}`)
    return
  }
  say(`installing Debian packages: ${list}`)
  const progress = new Progress(`${names.length} Debian packages and what they need`)
  await apt(progress, 'update')
  await withoutServices(names, () => install(progress, names))
}

async function install(progress, names) {
  const { status, said } = await apt(progress, 'install', ...names)
  if (status === 0) return progress.done('installed')
  // One name this release does not know spoils the whole list: take the others one by one.
  const refused = []
  for (const name of names)
    if ((await apt(progress, 'install', name)).status !== 0) refused.push(name)
  progress.done(`installed but for ${refused.length}`)
  if (refused.length > 0) say(`could not install ${refused.join(' ')}; going on without\n${said}`)
}

function apt(progress, verb, ...names) {
  const settings = [`DPkg::Lock::Timeout=${LOCK_S}`, 'APT::Status-Fd=3', 'Dpkg::Use-Pty=0']
  const options = [
    '-qq',
    '-y',
    '--no-install-recommends',
    ...settings.flatMap(each => ['-o', each])
  ]
  return run('apt-get', [verb, ...options, ...names], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    limitMs: LIMIT_MS,
    onStatus: line => {
      const [kind, , percent, ...text] = line.split(':')
      const done = `${Math.floor(Number(percent))} %`
      if (kind === 'dlstatus') progress.at(`downloading, ${done}: ${text.join(':').trim()}`)
      if (kind === 'pmstatus') progress.at(`installing, ${done}: ${text.join(':').trim()}`)
    }
  })
}
