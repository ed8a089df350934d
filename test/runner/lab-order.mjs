// In which order the files of the lab begin: those that compute, of which not all cores are given
// to at once; then those that take longest, so that none of them is the last to begin; then the
// others.  A file that is not named here is one of those.

const computing = [
  'demo',
  'demo-cluster',
  'demo-cluster-faults',
  'oracle',
  'packets',
  'matrix',
  'tunnels',
  'l2',
  'datapath-gso'
]
const longest = [
  'demo',
  'demo-cluster',
  'demo-cluster-faults',
  'moves',
  'survival',
  'upcalls',
  'restart',
  'survival-asymmetric',
  'bgp-uplinks',
  'bgp-flap',
  'service',
  'interop',
  'l3'
]

/** Gives `{ file, computes }` for each of the files. */
export function labOrder(files) {
  const rank = file => {
    const at = [...computing, ...longest].indexOf(nameOf(file))
    return at < 0 ? Number.POSITIVE_INFINITY : at
  }
  const inOrder = files.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0))
  return inOrder.map(file => ({ file, computes: computing.includes(nameOf(file)) }))
}

const nameOf = file => file.replace(/^.*\//, '').replace(/\.test\.ts$/, '')
