// Jobs side by side.  They begin in the order given; of those that compute only so many run at a
// time, the others mostly wait and leave them the processors.

/**
 * Runs all `jobs`, `{ computes, run() }`, `lanes` at a time, of those that compute at most
 * `computing`, or `computingLast` once no other is left to begin. Resolves when all have ended;
 * rejects with the first failure, and begins no more.
 */
export async function inLanes(jobs, { lanes, computing, computingLast = computing }) {
  const left = [...jobs]
  let busy = 0
  const next = () => {
    const max = left.every(({ computes }) => computes) ? computingLast : computing
    const i = left.findIndex(({ computes }) => !computes || busy < max)
    return i < 0 ? undefined : left.splice(i, 1)[0]
  }
  const lane = async () => {
    // Only jobs that compute may be left over here: the lanes in which those run go on with them.
    for (let job = next(); job !== undefined; job = next()) {
      if (job.computes) busy++
      try {
        await job.run()
      } catch (error) {
        left.length = 0
        throw error
      } finally {
        if (job.computes) busy--
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}
