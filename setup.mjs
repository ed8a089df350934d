// Makes the house ready: Node packages, Debian packages, the native build. npm runs it before
// every command, with what that command needs, so that a fresh clone needs one command. Plain
// JavaScript without dependencies, for any Node from 18: it runs before anything is installed.
// When there is nothing to do it only looks at files: 0.1 s measured, most of it Node's own start.
//   node setup.mjs [--node] [--gateway] [--outside] [--check] [--lab] [--cassandra] [--zookeeper]
//                  [--model] [--kernels] [--interop]
// Without a word, what `npm start` needs; --node: no more than the Node packages; the others add
// what a gateway that speaks BGP, routers outside, `npm run check`, the lab, the tests on a
// Cassandra node, those on a ZooKeeper server, the models of protocols, the tests on other
// kernels and the grid of BGP speakers need.

import { fetchArtifacts } from './setup/cassandra.mjs'
import { installDebianPackages } from './setup/debian.mjs'
import { buildNative } from './setup/native.mjs'
import { installNodePackages } from './setup/node-packages.mjs'
import { say } from './setup/progress.mjs'

const groups = [
  ...['gateway', 'outside', 'check', 'lab', 'cassandra', 'zookeeper', 'model', 'kernels'],
  'interop'
]
const words = process.argv.slice(2)
const unknown = words.find(word => !['--node', ...groups.map(name => `--${name}`)].includes(word))
if (unknown !== undefined) {
  say(`unknown option ${unknown}; there are --node, --${groups.join(', --')}`)
  process.exit(2)
}

if (!(await installNodePackages())) process.exit(1)
if (!words.includes('--node')) {
  const wanted = groups.filter(name => words.includes(`--${name}`))
  await installDebianPackages(wanted)
  await buildNative()
  if (wanted.includes('cassandra')) await fetchArtifacts()
}
