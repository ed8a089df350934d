// A mount and a network namespace for one test file, made by unshare of util-linux: what has a
// fixed name (namespaces in /run/netns, folders of labs, abstract sockets, ports of loopback) is
// its own, so that files may run side by side, and goes with the last process in it.

import { spawnSync } from 'node:child_process'

// "$@" is the command, after the file that is to hold what it took of the processors.  The shell
// stays to say that, and what the command has left.
const script = `
took=$1; shift
mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns /run/lock && ip link set lo up || exit 125
"$@"
status=$?
times > "$took"
for left in /run/netns/mz-*; do
  [ ! -e "$left" ] || echo "left behind: namespace \${left##*/}, deleted"
done
exit $status`

/**
 * The program and the arguments that run a command in namespaces of its own; `took` is the file for
 * `cpuMsIn`.
 */
export function apart(command, args, took = '/dev/null') {
  const flags = ['--mount', '--net', '--propagation', 'private']
  return ['unshare', [...flags, 'sh', '-c', script, 'apart', took, command, ...args]]
}

/**
 * What the command and all that it has started and outlived took of the processors, ms, as the
 * shell's `times` says it: `1m2.50s 0m0.25s`, user and system, of its children in the second line.
 */
export function cpuMsIn(text) {
  const words = text.split('\n')[1]?.match(/\d+m[\d.]+s/g) ?? []
  if (words.length < 2) return undefined
  const seconds = words.map(word => word.slice(0, -1).split('m').map(Number))
  return seconds.reduce((sum, [minutes, s]) => sum + (minutes * 60 + s) * 1000, 0)
}

/** Why nothing can be run apart on this machine, or undefined. */
export function whyNotApart() {
  const { error, status, stderr } = spawnSync(...apart('true', []), { encoding: 'utf8' })
  if (error !== undefined) return 'unshare (util-linux) is not installed'
  return status === 0 ? undefined : stderr.trim().split('\n')[0] || `status ${status}`
}
