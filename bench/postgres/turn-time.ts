/** Duration of a turn without tools in a real guest. */
import type { BenchContext } from '../measure.ts'
import { median } from '../statistics.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

/** @param url of the store; empty for a file in the workspace */
export async function turnMs({ plan, programs, modelUrl }: BenchContext, url: string): Promise<number> {
  using workspace = makeWorkspace()
  await using guest = await startGuest({ program: programs.usual, workspace, modelUrl, config: { store: { url } } })
  using terminal = await guest.connect()
  const took: number[] = []
  const count = Math.min(plan.turns, 100)
  // The first quarter warms up.
  for (let i = -Math.ceil(count / 4); i < count;) {
    const session = await terminal.open()
    for (let turn = 0; turn < 10; turn++, i++) {
      const began = performance.now()
      await terminal.turn(session, prompts.plain)
      if (i >= 0) took.push(performance.now() - began)
    }
    await terminal.unfollow(session)
  }
  return median(took)
}
