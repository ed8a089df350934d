// A place for the demo's namespaces: a prefix that nobody uses. Several demos may run side by
// side; what a killed one left is removed by the next, whichever prefix that one gets.

import { Lab, LabError } from '../../lab/index.ts'
import { Claim, namespacesOf } from '../../lab/process/claim.ts'

const PLACES = ['mz-demo', 'mz-demo-2', 'mz-demo-3', 'mz-demo-4'] as const
const BUSY = / is in use by /

/** A lab of a name that no other demo has; what killed ones left is removed. */
export async function openPlace(): Promise<Lab> {
  const [lab, taken] = await firstFree()
  for (const prefix of PLACES) if (prefix !== taken) await clean(prefix)
  return lab
}

async function firstFree(): Promise<[Lab, string]> {
  for (const prefix of PLACES) {
    const lab = await unlessBusy(() => Lab.open({ prefix, signals: false }))
    if (lab !== undefined) return [lab, prefix]
  }
  throw new LabError(`${PLACES.length} demos run on this machine already; end one of them`)
}

async function clean(prefix: string): Promise<void> {
  if (namespacesOf(prefix).length === 0) return
  const claim = await unlessBusy(() => Claim.take(prefix))
  claim?.releaseSync()
}

async function unlessBusy<T>(take: () => Promise<T>): Promise<T | undefined> {
  try {
    return await take()
  } catch (error) {
    if (error instanceof LabError && BUSY.test(error.message)) return undefined
    throw error
  }
}
