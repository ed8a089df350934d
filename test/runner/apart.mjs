// A mount and a network namespace for one test file, made by unshare of util-linux: what has a
// fixed name (namespaces in /run/netns, folders of labs, abstract sockets, ports of loopback) is
// its own, so that files may run side by side, and goes with the last process in it.

import { spawnSync } from 'node:child_process'

// "$@" is the command.  The shell stays to say what the command has left.
const script = `
mount -t tmpfs -o mode=755 tmpfs /run && mkdir /run/netns /run/lock && ip link set lo up || exit 125
"$@"
status=$?
for left in /run/netns/mz-*; do
  [ ! -e "$left" ] || echo "left behind: namespace \${left##*/}, deleted"
done
exit $status`

/** The program and the arguments that run a command in namespaces of its own. */
export function apart(command, args) {
  const flags = ['--mount', '--net', '--propagation', 'private']
  return ['unshare', [...flags, 'sh', '-c', script, 'apart', command, ...args]]
}

/** Why nothing can be run apart on this machine, or undefined. */
export function whyNotApart() {
  const { error, status, stderr } = spawnSync(...apart('true', []), { encoding: 'utf8' })
  if (error !== undefined) return 'unshare (util-linux) is not installed'
  return status === 0 ? undefined : stderr.trim().split('\n')[0] || `status ${status}`
}
